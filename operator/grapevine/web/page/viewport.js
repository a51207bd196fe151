/** Pan and zoom: by pointer, wheel, two fingers, buttons and keys.

What is drawn is an image to the browser while it moves (`will-change`), and is drawn anew, sharp, once it rests: a
frame of a large map would take too long otherwise. */

const LEAST = 0.05;
const MOST = 4;
const STEP = 1.3;
const MARGIN = 16;
/** Scale below which names cannot be read: a small screen begins with a part. */
const READABLE = 0.75;
const NARROW = 700;
const REST_MS = 200;
/** Scale below which nobody sees dashes. */
const FAR = 0.4;

export class Viewport {
  /** `onMove` hears of every move by a person. */
  constructor(picture, drawn, onMove) {
    this.picture = picture;
    this.drawn = drawn;
    this.onMove = onMove;
    this.size = { width: 1, height: 1 };
    this.place = { x: 0, y: 0, scale: 1 };
    this.isMoved = false;
    this.dragged = false;
    this.pointers = new Map();
    picture.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    picture.addEventListener("pointerdown", (event) => this.#down(event));
    picture.addEventListener("pointermove", (event) => this.#drag(event));
    for (const end of ["pointerup", "pointercancel"]) picture.addEventListener(end, (event) => this.#up(event));
    new ResizeObserver(([{ contentRect }]) => {
      this.lastRoom = contentRect;
      if (!this.isMoved) this.begin();
    }).observe(picture);
    window.addEventListener("beforeprint", () => this.#print());
    window.addEventListener("afterprint", () => this.#unprint());
  }

  /** Show a drawing of this size: as it was where a person moved it, else from the beginning. */
  show(size) {
    this.size = size;
    this.drawn.setAttribute("width", size.width);
    this.drawn.setAttribute("height", size.height);
    if (!this.isMoved) this.begin();
  }

  /** Show all; on a small screen as much as can be read. */
  begin() {
    this.all();
    if (this.#room.width < NARROW && this.place.scale < READABLE) {
      this.#set({ x: MARGIN, y: MARGIN, scale: READABLE });
    }
  }

  /** Show all of it. */
  all() {
    const { width, height } = this.#room;
    const fit = Math.min((width - 2 * MARGIN) / this.size.width, (height - 2 * MARGIN) / this.size.height, 1.15);
    const scale = Math.max(fit, LEAST);
    this.#set({ x: (width - this.size.width * scale) / 2, y: (height - this.size.height * scale) / 2, scale });
    this.isMoved = false;
  }

  /** Zoom by a factor around a point of the picture, by default its middle. */
  zoom(factor, x = this.#room.width / 2, y = this.#room.height / 2) {
    const scale = Math.min(Math.max(this.place.scale * factor, LEAST), MOST);
    const ratio = scale / this.place.scale;
    this.#move({ x: x - (x - this.place.x) * ratio, y: y - (y - this.place.y) * ratio, scale });
  }

  zoomIn() {
    this.zoom(STEP);
  }

  zoomOut() {
    this.zoom(1 / STEP);
  }

  /** Move what is shown by pixels of the screen. */
  pan(x, y) {
    this.#move({ ...this.place, x: this.place.x + x, y: this.place.y + y });
  }

  /** Move a box into sight, where it is not. */
  reveal(box) {
    const { x, y, scale } = this.place;
    const left = box.x * scale + x;
    const top = box.y * scale + y;
    const over = (low, length, room) => (low < MARGIN ? MARGIN - low : Math.min(0, room - MARGIN - low - length));
    const right = over(left, box.width * scale, this.#room.width);
    const down = over(top, box.height * scale, this.#room.height);
    if (right || down) this.pan(right, down);
  }

  /** The place as text for an address. */
  get text() {
    const { x, y, scale } = this.place;
    return this.isMoved ? [Math.round(x), Math.round(y), scale.toFixed(3)].join(",") : "";
  }

  /** Go to the place of a text; to the beginning where it is none. */
  set text(text) {
    const [x, y, scale] = text.split(",").map(Number);
    const isPlace = [x, y, scale].every(Number.isFinite) && scale >= LEAST && scale <= MOST;
    if (isPlace) this.#set({ x, y, scale });
    this.isMoved = isPlace;
  }

  /** How much there is to see it in: as last heard, for to ask makes the browser place all that was just drawn. */
  get #room() {
    return (this.lastRoom ??= this.picture.getBoundingClientRect());
  }

  #move(place) {
    this.isMoved = true;
    this.drawn.classList.add("moving");
    if (place.scale !== this.place.scale) this.drawn.classList.add("zooming");
    clearTimeout(this.restTimer);
    this.restTimer = setTimeout(() => this.#rest(), REST_MS);
    this.#place(place);
    this.onMove();
  }

  #rest() {
    this.drawn.classList.remove("moving", "zooming");
    this.#set(this.place);
  }

  #set(place) {
    this.drawn.classList.toggle("far", place.scale < FAR);
    this.#place(place);
  }

  #place(place) {
    this.place = place;
    this.drawn.style.transform = `translate(${place.x}px, ${place.y}px) scale(${place.scale})`;
  }

  #wheel(event) {
    event.preventDefault();
    const box = this.picture.getBoundingClientRect();
    const step = Math.max(-100, Math.min(100, event.deltaMode ? event.deltaY * 30 : event.deltaY));
    this.zoom(Math.exp(-step / 300), event.clientX - box.left, event.clientY - box.top);
  }

  #down(event) {
    if (event.button !== 0) return;
    if (!this.pointers.size) this.dragged = false;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, fromX: event.clientX, fromY: event.clientY });
  }

  #drag(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const now = { ...last, x: event.clientX, y: event.clientY };
    if (!this.dragged && Math.hypot(now.x - last.fromX, now.y - last.fromY) < 4) return;
    if (!this.dragged) this.picture.setPointerCapture(event.pointerId);
    this.dragged = true;
    const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    this.pointers.set(event.pointerId, now);
    if (!other) return void this.pan(now.x - last.x, now.y - last.y);
    const box = this.picture.getBoundingClientRect();
    const factor = Math.hypot(now.x - other.x, now.y - other.y) / Math.max(1, Math.hypot(last.x - other.x, last.y - other.y));
    this.zoom(factor, (now.x + other.x) / 2 - box.left, (now.y + other.y) / 2 - box.top);
  }

  #up(event) {
    this.pointers.delete(event.pointerId);
  }

  #print() {
    this.drawn.setAttribute("viewBox", `0 0 ${this.size.width} ${this.size.height}`);
    this.drawn.style.transform = "";
  }

  #unprint() {
    this.drawn.removeAttribute("viewBox");
    this.#set(this.place);
  }
}
