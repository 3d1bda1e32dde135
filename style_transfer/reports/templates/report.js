const frames = [...document.querySelectorAll("#frames img")];
const slider = document.getElementById("slider");
const chart = document.getElementById("chart");
const cursor = document.getElementById("cursor");

function nearest(distance) {
  const distances = frames.map((frame) => distance(frame.dataset));
  return distances.indexOf(Math.min(...distances));
}

function showFrame(index) {
  const data = frames[index].dataset;
  showOnly(frames, index);
  document.getElementById("position").textContent = `${data.epoch} of ${frames.at(-1).dataset.epoch}`;
  slider.setAttribute("aria-valuetext", `epoch ${data.epoch}, total loss ${data.total}`);
  cursor.style.left = `${data.place}%`;
  for (const value of document.querySelectorAll("[data-loss]")) {
    value.textContent = data[value.dataset.loss];
  }
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
