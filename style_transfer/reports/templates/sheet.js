const cells = [...document.querySelectorAll("button.cell")];
const films = cells.map((cell) => [...cell.querySelectorAll("img")]);
const slider = document.getElementById("slider");
const controls = document.getElementById("controls");
const dialog = document.getElementById("large");
const enlarged = document.getElementById("enlarged");
let open = null;

// Runs may differ in length: each shows the frame at the same share of its own.
function showAll(index) {
  const share = Number(slider.max) ? index / Number(slider.max) : 1;
  for (const film of films) showOnly(film, Math.round(share * (film.length - 1)));
  const text = `${Math.round(100 * share)} %`;
  document.getElementById("position").textContent = text;
  slider.setAttribute("aria-valuetext", `${text} of each run`);
  enlarge();
}

function enlarge() {
  if (!open) return;
  const shown = open.querySelector("img:not([hidden])");
  enlarged.src = shown.src;
  enlarged.alt = shown.alt;
  enlarged.style.setProperty("--aspect", shown.width / shown.height);
}

for (const cell of cells) {
  cell.addEventListener("click", () => {
    open = cell;
    enlarge();
    document.getElementById("caption").textContent = cell.getAttribute("aria-label");
    dialog.append(controls); // the rest of the page rests while the dialog is open
    dialog.showModal();
  });
}

dialog.addEventListener("close", () => {
  document.getElementById("bar").append(controls);
  open = null;
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
document.getElementById("close").addEventListener("click", () => dialog.close());

makePlayer(showAll, (index) => index, (number) => number);
