// The two boxes: pictures dropped, pasted, chosen, taken or clicked; shown at once, then sent.

import { say, send } from "./http.js";

const MOST_BYTES = 24 * 2 ** 20;
const SIDES = [2048, 4096];
const MOST_STYLES = 8;
const quality = 0.95;
const HEIC =
  "is a HEIC photo, which this browser cannot read: save it as JPEG, or open this page in Safari. " +
  "An iPhone takes JPEG with Settings, Camera, Formats, Most Compatible.";

// One box and what is in it: a list of {id, name, width, height, share, url}.
export class Box {
  constructor(place, chosen, changed) {
    this.place = place;
    this.several = place.dataset.role === "style";
    this.changed = changed;
    const input = place.querySelector(".drop input");
    input.addEventListener("change", () => {
      this.take([...input.files], this.several);
      input.value = "";
    });
    place.querySelectorAll(".sample").forEach((button) =>
      button.addEventListener("click", () => this.takeSample(button)),
    );
    for (const name of ["dragenter", "dragover"]) place.addEventListener(name, (event) => this.hover(event));
    for (const name of ["dragleave", "drop"]) place.addEventListener(name, () => place.classList.remove("over"));
    this.fill(chosen);
  }

  // With pictures that the server has.
  fill(chosen) {
    this.pictures = chosen.map((each) => ({ ...each, url: `/pictures/${each.id}.jpg` }));
    this.draw();
  }

  get isReady() {
    return this.pictures.length > 0 && this.pictures.every((each) => each.id);
  }

  hover(event) {
    event.preventDefault();
    this.place.classList.add("over");
  }

  complain(message) {
    say(document.getElementById(`${this.place.id}-trouble`), message);
  }

  // `adds`: beside what is there; else in its place.
  async take(files, adds) {
    const found = files.filter((each) => each.type.startsWith("image/") || /\.(hei[cf]|avif|webp|tiff?)$/i.test(each.name));
    if (!found.length) {
      this.complain("That is no picture.");
      return;
    }
    await this.put((this.several ? found : found.slice(0, 1)).map((file) => ({
      name: file.name || "pasted picture",
      url: URL.createObjectURL(file),
      load: () => upload(file, this.most()),
    })), adds);
  }

  takeSample(button) {
    const name = button.dataset.sample;
    const load = () => send("POST", "/pictures", { sample: name });
    return this.put([{ name, url: button.querySelector("img").src, load }], false);
  }

  most() {
    const size = Number(document.getElementById("size").value);
    return Math.min(SIDES[1], Math.max(SIDES[0], 2 * size));
  }

  async put(arrived, adds) {
    this.complain("");
    const kept = adds && this.several ? this.pictures : [];
    const before = this.pictures.filter((each) => each.id);
    const left = arrived.slice(0, MOST_STYLES - kept.length);
    left.forEach((each) => Object.assign(each, { share: 1 }));
    this.pictures = [...kept, ...left];
    this.draw();
    this.changed();
    await Promise.all(left.map((each) => this.load(each)));
    if (this.pictures.length) return;
    this.pictures = before; // what was to replace them cannot be used
    this.draw();
    this.changed();
  }

  async load(picture) {
    try {
      Object.assign(picture, await picture.load());
      picture.url = `/pictures/${picture.id}.jpg`;
    } catch (error) {
      this.pictures = this.pictures.filter((each) => each !== picture);
      this.complain(error.message);
    }
    this.draw();
    this.changed();
  }

  draw() {
    const tiles = this.place.querySelector(".tiles");
    tiles.replaceChildren(...this.pictures.map((each) => this.makeTile(each)));
    this.showShares();
    this.place.classList.toggle("filled", this.pictures.length > 0);
    this.place.classList.toggle("many", this.pictures.length > 1);
    const what = this.several ? "a painting" : "a photo";
    const empty = matchMedia("(pointer: coarse)").matches ? `Choose ${what}` : `Drop, paste or choose ${what}`;
    const filled = this.several ? "Add a painting" : "Another photo";
    this.place.querySelector(".hint").textContent = this.pictures.length ? filled : empty;
  }

  makeTile(picture) {
    const tile = document.createElement("div");
    tile.className = picture.id ? "tile" : "tile busy";
    const image = document.createElement("img");
    image.src = picture.url;
    image.alt = picture.name;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "take-away";
    remove.textContent = "×";
    remove.setAttribute("aria-label", `Remove ${picture.name}`);
    remove.addEventListener("click", () => {
      this.pictures = this.pictures.filter((each) => each !== picture);
      this.draw();
      this.changed();
      this.place.querySelector(".drop input").focus({ preventScroll: true });
    });
    tile.append(image, remove);
    if (this.pictures.length > 1) tile.append(this.makeShare(picture));
    return tile;
  }

  makeShare(picture) {
    const label = document.createElement("label");
    const slider = document.createElement("input");
    const percent = document.createElement("output");
    label.className = "share";
    Object.assign(slider, { type: "range", min: 0, max: 1, step: 0.05, value: picture.share });
    slider.setAttribute("aria-label", `Share of ${picture.name}`);
    slider.addEventListener("input", () => {
      picture.share = Number(slider.value);
      this.showShares();
      this.changed();
    });
    slider.title = "Its share of the style";
    label.append(slider, percent);
    return label;
  }

  // In percent, since what counts is each one's part of them all.
  showShares() {
    const total = this.pictures.reduce((sum, each) => sum + each.share, 0);
    const outputs = this.place.querySelectorAll(".share output");
    this.pictures.forEach(({ share }, index) => {
      if (outputs[index]) outputs[index].textContent = `${total ? Math.round((100 * share) / total) : 0} %`;
    });
  }
}

// Make a picture upright and no larger than needed, here, and send it. What this browser cannot
// read, the server may.
async function upload(file, most) {
  const blob = (await shrink(file, most)) ?? file;
  if (blob === file && (await isHeic(file))) throw new Error(`${file.name} ${HEIC}`);
  if (blob.size > MOST_BYTES) {
    throw new Error(`${file.name} has ${Math.round(blob.size / 2 ** 20)} MB, and this browser cannot make it smaller; 24 MB are the most.`);
  }
  const kind = blob.type.startsWith("image/") ? blob.type : "image/unknown";
  return send("POST", `/pictures?name=${encodeURIComponent(file.name || "")}`, blob, kind);
}

// By its content: such a photo may be called .jpg.
async function isHeic(file) {
  return /^ftyp(hei[cxms]|hev[cxms]|mif1|msf1)$/.test(await file.slice(4, 12).text());
}

async function shrink(file, most) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return null;
  }
  const scale = Math.min(1, most / Math.max(bitmap.width, bitmap.height));
  const isSmall = scale === 1 && file.size < MOST_BYTES / 4;
  if (isSmall && /^image\/(jpeg|png|webp)$/.test(file.type)) return file; // as good as it is
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const kind = file.type === "image/png" || file.type === "image/webp" ? "image/png" : "image/jpeg";
  return new Promise((done) => canvas.toBlob(done, kind, quality));
}

// The camera, where there is one: a dialog with what it sees, and a button.
export async function offerCamera(box) {
  const button = box.place.querySelector(".camera");
  const dialog = document.getElementById("camera");
  const video = dialog.querySelector("video");
  const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  button.hidden = !devices.some((each) => each.kind === "videoinput");
  button.addEventListener("click", async () => {
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1920 } } });
      dialog.showModal();
    } catch {
      box.complain("The camera cannot be used: allow it in the browser.");
    }
  });
  dialog.querySelector(".take").addEventListener("click", () => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => box.take([new File([blob], "camera.jpg", { type: "image/jpeg" })], false), "image/jpeg", quality);
    dialog.close();
  });
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    video.srcObject?.getTracks().forEach((each) => each.stop());
    video.srcObject = null;
  });
}
