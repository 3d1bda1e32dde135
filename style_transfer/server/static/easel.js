// The easel: one order, followed while it is painted, looked at from all sides once it is.

import { clock } from "./form.js";
import { readFragment, say, send } from "./http.js";

const BETWEEN = { instant: 250, painted: 700 }; // milliseconds from one look to the next
const STOPPING = "Stopping after this step …";

export class Easel {
  constructor(place, hooks) {
    this.place = place;
    this.hooks = hooks;
    document.addEventListener("visibilitychange", () => document.hidden || this.follow());
    this.begin();
  }

  get section() {
    return this.place.firstElementChild;
  }

  get id() {
    return this.section.dataset.id;
  }

  get isAlive() {
    return ["running", "waiting"].includes(this.section.dataset.state);
  }

  async show(id) {
    const found = document.adoptNode(await readFragment(`/jobs/${id}/easel`));
    const hadFocus = this.place.contains(document.activeElement);
    this.place.replaceChildren(found);
    if (hadFocus) found.focus({ preventScroll: true }); // who has no mouse goes on from here
    this.begin();
  }

  begin() {
    this.section.addEventListener("click", (event) => this.act(event.target.closest("[data-action]")));
    if (this.section.querySelector("#compare")) this.compare();
    const film = this.section.querySelector("#film");
    if (film) this.play(film.dataset);
    this.follow();
  }

  // Before and after: by the slider, or by a drag on the picture itself.
  compare() {
    const slider = this.section.querySelector("#compare");
    const canvas = this.section.querySelector(".canvas");
    const cut = (value) => {
      slider.value = value;
      canvas.style.setProperty("--cut", `${value}%`);
      canvas.classList.toggle("cut", value > 0 && value < 100);
    };
    const point = (event) => {
      const box = canvas.querySelector("#before").getBoundingClientRect();
      cut(Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width)));
    };
    slider.addEventListener("input", () => cut(Number(slider.value)));
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      point(event);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && point(event));
  }

  // With the reports' own player, player.js.
  play({ epochs, url }) {
    const numbers = epochs.split(" ").map(Number);
    const picture = this.section.querySelector("#shown");
    const result = picture.src;
    const show = (index) => {
      const isLast = index === numbers.length - 1;
      picture.src = isLast ? result : `${url}${numbers[index]}.png`;
      document.getElementById("position").textContent = `${numbers[index]} of ${numbers.at(-1)}`;
    };
    const indexOf = (epoch) => Math.max(0, numbers.findIndex((each) => each >= epoch));
    makePlayer(show, (index) => numbers[index], indexOf);
  }

  async act(button) {
    if (!button) return;
    const { action, epochs } = button.dataset;
    const section = this.section;
    button.disabled = true;
    try {
      if (action === "paint") await this.hooks.paint(this.id);
      else if (action === "remove") await this.remove();
      else await send("POST", `/jobs/${this.id}/${action}`, epochs ? { epochs: Number(epochs) } : {});
      if (action === "resume") await this.show(this.id);
      // What is there now may be another one: it was stopped already.
      if (action === "stop") say(section.querySelector("#phase"), STOPPING);
      this.hooks.changed();
    } catch (error) {
      this.complain(error.message);
      button.disabled = false;
    }
  }

  async remove() {
    await send("DELETE", `/jobs/${this.id}`);
    location.assign("/");
  }

  complain(message) {
    let line = this.section.querySelector(".trouble");
    if (!line) {
      line = document.createElement("p");
      line.className = "trouble";
      line.setAttribute("role", "alert");
      this.section.append(line);
    }
    say(line, message);
  }

  follow() {
    clearTimeout(this.timer);
    if (!this.isAlive || document.hidden) return;
    this.look().finally(() => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.follow(), BETWEEN[this.section.dataset.way]);
    });
  }

  async look() {
    const section = this.section;
    let order;
    try {
      order = await send("GET", `/jobs/${this.id}.json`);
    } catch (error) {
      if (error.status === 404) this.end(section);
      return; // of a server that is gone, the next look tries again
    }
    if (section !== this.section) return;
    if (order.state !== section.dataset.state) {
      await this.show(order.id).catch(() => {}); // the next look tries again
      this.hooks.changed(order.state);
    } else if (order.state === "running") {
      this.draw(section, order);
    } else {
      const place = order.place === 1 ? "Next in line" : `Number ${order.place} in line`;
      say(section.querySelector("#phase"), order.paused ? `${place}, the queue is paused` : place);
    }
  }

  // Removed, in another tab.
  end(section) {
    section.dataset.state = "removed";
    say(section.querySelector("#phase"), "This picture was removed.");
    section.querySelectorAll("[data-action]").forEach((each) => each.remove());
  }

  draw(section, order) {
    const picture = section.querySelector("#shown");
    const address = `/jobs/${order.id}/frames/${order.frame}.png`;
    if (order.frame !== null && !picture.src.endsWith(address)) showWhenLoaded(picture, address);
    const bar = section.querySelector("#bar");
    if (order.steps) bar.value = order.step / order.steps;
    const phase = { painting: `Epoch ${order.epoch} of ${order.epochs}`, preparing: "Preparing …", saving: "Writing the result …" };
    const text = order.stopping ? STOPPING : phase[order.phase] ?? order.phase;
    const line = section.querySelector("#phase");
    if (line.textContent !== text && !(order.phase === "preparing" && line.textContent.includes("TensorFlow"))) say(line, text);
    say(section.querySelector("#left"), order.seconds_left ? `about ${clock(order.seconds_left)} left` : "");
    if (order.curve?.length > 1) drawCurve(section, order);
  }
}

// Only once it is here, so that nothing flickers.
function showWhenLoaded(picture, address) {
  const next = new Image();
  next.onload = () => {
    picture.src = address;
    picture.alt = "the picture so far";
    picture.classList.remove("veiled");
  };
  next.src = address;
}

function drawCurve(section, { curve, steps, terms, losses }) {
  const values = curve.map(([, total]) => Math.log(Math.max(total, 1e-12)));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const points = curve.map(([step], index) => {
    const x = (300 * step) / steps;
    const y = 58 - (56 * (values[index] - low)) / (high - low || 1);
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  section.querySelector("#curve path").setAttribute("d", `M${points.join("L")}`);
  const shown = terms.map((term, index) => `${term.replaceAll("_", " ")} ${Number(losses[index].toPrecision(3))}`);
  section.querySelector("#losses").textContent = shown.join("\n");
}
