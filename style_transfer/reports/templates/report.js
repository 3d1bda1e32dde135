const frames = [...document.querySelectorAll("#frames img")];
const slider = document.getElementById("slider");
const chart = document.getElementById("chart");
const cursor = document.getElementById("cursor");
const values = [...document.querySelectorAll(".readout dd")];
const unit = document.querySelector("label[for=slider]").textContent.toLowerCase();
const name = [...document.querySelectorAll(".readout dt")].at(-1).textContent;

function nearest(distance) {
  const distances = frames.map((frame) => distance(frame.dataset));
  return distances.indexOf(Math.min(...distances));
}

function showFrame(index) {
  const data = frames[index].dataset;
  const losses = data.losses.split(" ");
  showOnly(frames, index);
  document.getElementById("position").textContent = `${data.epoch} of ${frames.at(-1).dataset.epoch}`;
  slider.setAttribute("aria-valuetext", `${unit} ${data.epoch}, ${name} ${losses.at(-1)}`);
  cursor.style.left = `${data.place}%`;
  values.forEach((value, each) => {
    value.textContent = losses[each];
  });
}

const goTo = makePlayer(
  showFrame,
  (index) => frames[index].dataset.epoch,
  (epoch) => nearest((data) => Math.abs(data.epoch - epoch)),
);

function point(event) {
  const box = chart.getBoundingClientRect();
  const place = (100 * (event.clientX - box.left)) / box.width;
  goTo(nearest((data) => Math.abs(data.place - place)));
}

chart.addEventListener("pointerdown", point);
chart.addEventListener("pointermove", (event) => {
  if (event.buttons) point(event);
});
