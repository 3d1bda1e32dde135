// The page: form, easel, shelf, and what each tells the others.

import { Easel } from "./easel.js";
import { Form } from "./form.js";
import { say } from "./http.js";
import { Shelf } from "./shelf.js";

const form = new Form(document.getElementById("form"), show);
const easel = new Easel(document.getElementById("easel-place"), {
  changed: (state) => {
    shelf.look();
    if (state === "finished") form.change(); // this machine's pace is known better now
  },
  paint: (id) => form.paintFrom(id),
});
const shelf = new Shelf(
  document.getElementById("shelf-place"),
  () => easel.id,
  (message) => say(document.getElementById("trouble"), message),
);

// Put a new order on the easel; its address is that of the page from now on.
async function show({ id, title }) {
  await easel.show(id);
  history.pushState(null, "", `/jobs/${id}`);
  document.title = `${title} · Style transfer`;
  shelf.look();
  scrollTo({ top: 0, behavior: "smooth" });
}

addEventListener("popstate", () => location.reload());
