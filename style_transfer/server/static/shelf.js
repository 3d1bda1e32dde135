// The queue and the history: read anew when they change, here or in another tab.

import { readFragment, send } from "./http.js";

const BETWEEN = 2500; // milliseconds from one look to the next

export class Shelf {
  constructor(place, current, complain) {
    this.place = place;
    this.current = current;
    this.complain = complain;
    place.addEventListener("click", (event) => this.act(event.target.closest("button")));
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
    setInterval(() => document.hidden || this.look(), BETWEEN);
  }

  async look() {
    let found;
    try {
      found = await readFragment(`/shelf?current=${this.current() ?? ""}${location.search === "?all" ? "&all" : ""}`);
    } catch {
      return; // the next look tries again
    }
    const focus = this.place.contains(document.activeElement) && nameOf(document.activeElement);
    const before = this.place.firstElementChild.outerHTML;
    if (document.adoptNode(found).outerHTML !== before) {
      this.place.replaceChildren(found);
      if (focus) [...this.place.querySelectorAll("a, button")].find((each) => nameOf(each) === focus)?.focus();
    }
  }

  async act(button) {
    if (!button) return;
    const { queue, move, id, remove, trim } = button.dataset;
    try {
      if (queue) await send("POST", `/queue/${queue}`);
      if (move) await send("POST", `/jobs/${id}/move`, { by: Number(move) });
      if (remove) await send("DELETE", `/jobs/${remove}`);
      for (const each of trim?.split(" ") ?? []) await send("DELETE", `/jobs/${each}`);
    } catch (error) {
      this.complain(error.message);
    }
    await this.look();
  }
}

function nameOf(element) {
  return element.getAttribute("href") ?? element.getAttribute("aria-label") ?? element.textContent;
}
