// The part of the query's picture that is searched by: a box that is drawn,
// moved and resized with the mouse, a finger or keys, or given in numbers.
import { $, show, debounce } from './dom.js';
import { hasPicture, leastBox } from './query.js';

const step = 0.02; // of a side, for one press of a key
const reach = { mouse: 9, other: 20 }; // px from an edge at which it is taken hold of
const fields = ['crop-left', 'crop-top', 'crop-right', 'crop-bottom'];

let box = [0, 0, 1, 1];
let drag = null; // {id, from: [x, y], box, edges}: of the pointer that holds the box
let opened = false;
let shown = ''; // which picture
let change = () => {};

const whole = () => box.every((e, i) => Math.abs(e - (i < 2 ? 0 : 1)) < 0.005);
const clamp = (v, low, high) => Math.min(Math.max(v, low), high);
const percent = (v) => Math.round(v * 100);

/** on.change(box) is called with the box, or null for the whole picture, once it rests. */
export function setUp(on) {
  change = on.change;
  const stage = $('crop-stage');
  stage.addEventListener('pointerdown', take);
  stage.addEventListener('pointermove', move);
  stage.addEventListener('pointerup', release);
  stage.addEventListener('pointercancel', (e) => { if (drag?.id === e.pointerId) { set(drag.box); drag = null; } });
  $('crop-box').addEventListener('keydown', key);
  $('crop-image').addEventListener('load', () => stage.style.setProperty('--ratio', $('crop-image').naturalWidth / $('crop-image').naturalHeight));
  $('crop-image').addEventListener('error', () => { show('crop-open', false); open(false); }); // nothing to draw on
  $('crop-open').addEventListener('click', () => { open(!opened); if (opened) $('crop-box').focus(); });
  $('crop-close').addEventListener('click', leave);
  $('crop-whole').addEventListener('click', reset);
  for (const [i, id] of fields.entries()) $(id).addEventListener('change', () => number(i));
}

/** Shows the query's box. picture: {src, name, key}; the box of another one opens by itself, so that it is seen. */
export function render(query, picture) {
  if (!hasPicture(query)) { shown = ''; open(false); return; }
  if (shown !== picture.key) {
    shown = picture.key;
    drag = null;
    waits = false;
    rests.cancel();
    show('crop-open', true);
    $('crop-image').src = picture.src;
    opened = Boolean(query.box);
  }
  $('crop-image').alt = picture.name;
  if (!drag && !waits) set(query.box ?? [0, 0, 1, 1]);
  open(opened);
}

function open(on) {
  opened = on;
  show('crop', on);
  $('crop-open').setAttribute('aria-expanded', String(on));
}

function leave() {
  open(false);
  $('crop-open').focus();
}

function set(edges) {
  box = edges;
  for (const [i, side] of ['left', 'top', 'right', 'bottom'].entries()) $('crop-box').style[side] = `${100 * (i < 2 ? box[i] : 1 - box[i])}%`;
  $('crop-box').classList.toggle('whole', whole());
  for (const [i, id] of fields.entries()) if (document.activeElement !== $(id)) $(id).value = percent(box[i]);
  $('crop-whole').disabled = whole();
}

let waits = false; // between a change and its search
const rests = debounce(() => {
  waits = false;
  const tidy = box.map((e) => Math.round(e * 1000) / 1000);
  $('crop-said').textContent = whole() ? 'The whole picture is searched by.' : `Searching by the part from left ${percent(box[0])} % to ${percent(box[2])} %, top ${percent(box[1])} % to ${percent(box[3])} %.`;
  change(whole() ? null : tidy);
}, 250);

function changed(edges) {
  waits = true;
  set(edges);
  rests();
}

function reset() {
  if (!whole()) changed([0, 0, 1, 1]);
}

// Where on the picture, in fractions.
function point(e) {
  const r = $('crop-stage').getBoundingClientRect();
  return [clamp((e.clientX - r.left) / r.width, 0, 1), clamp((e.clientY - r.top) / r.height, 0, 1)];
}

/** The edges that a pointer takes hold of: all four to move the box, null to draw another one. */
function grip(e) {
  const r = $('crop-stage').getBoundingClientRect();
  const near = reach[e.pointerType] ?? reach.other;
  const at = [e.clientX - r.left, e.clientY - r.top];
  const px = box.map((v, i) => v * (i % 2 === 0 ? r.width : r.height));
  const inside = [0, 1].every((i) => at[i] > px[i] - near && at[i] < px[i + 2] + near);
  if (!inside) return null;
  const edges = px.map((v, i) => Math.abs(at[i % 2] - v) <= near);
  for (const i of [0, 1]) if (edges[i] && edges[i + 2]) edges[at[i] < (px[i] + px[i + 2]) / 2 ? i + 2 : i] = false; // of a narrow box the nearer one
  if (edges.some(Boolean)) return edges;
  return whole() ? null : [true, true, true, true];
}

const cursors = { '1000': 'ew-resize', '0010': 'ew-resize', '0100': 'ns-resize', '0001': 'ns-resize', 1100: 'nwse-resize', '0011': 'nwse-resize', '0110': 'nesw-resize', 1001: 'nesw-resize', 1111: 'move' };
const cursor = (edges) => (edges ? cursors[edges.map(Number).join('')] : 'crosshair');

function take(e) {
  if (drag || e.button !== 0) return; // a second finger
  e.preventDefault();
  $('crop-stage').setPointerCapture(e.pointerId);
  $('crop-box').focus({ preventScroll: true });
  drag = { id: e.pointerId, from: point(e), box: [...box], edges: grip(e) };
}

function move(e) {
  if (!drag) { $('crop-stage').style.cursor = cursor(grip(e)); return; }
  if (drag.id === e.pointerId) set(dragged(point(e)));
}

function release(e) {
  if (drag?.id !== e.pointerId) return;
  const edges = dragged(point(e));
  const moved = edges.some((v, i) => v !== drag.box[i]);
  drag = null;
  if (moved) changed(edges);
}

/** The box with the pointer at a place. */
function dragged([x, y]) {
  const { from, edges, box: was } = drag;
  const by = [x - from[0], y - from[1]];
  if (!edges) {
    const drawn = [Math.min(x, from[0]), Math.min(y, from[1]), Math.max(x, from[0]), Math.max(y, from[1])];
    return drawn[2] - drawn[0] >= leastBox && drawn[3] - drawn[1] >= leastBox ? drawn : was; // a slip of the finger draws nothing
  }
  return edges.every(Boolean) ? moved(was, by) : resized(was, edges.map((held, i) => (held ? by[i % 2] : 0)));
}

function moved(was, by) {
  const d = [0, 1].map((i) => clamp(by[i], -was[i], 1 - was[i + 2]));
  return was.map((v, i) => v + d[i % 2]);
}

/** Each edge by so much, within the picture and not beyond the opposite one. */
function resized(was, by) {
  return was.map((v, i) => (by[i] === 0 ? v : i < 2 ? clamp(v + by[i], 0, was[i + 2] - leastBox) : clamp(v + by[i], was[i - 2] + leastBox, 1)));
}

function key(e) {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === 'Escape') {
    e.preventDefault(); // it is not the page's here
    if (whole()) leave();
    else reset();
    return;
  }
  const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[e.key];
  if (!by) return;
  e.preventDefault();
  if (!e.shiftKey && whole()) { $('crop-said').textContent = 'The box is the whole picture: Shift and an arrow make it smaller first.'; return; }
  changed(e.shiftKey ? resized(box, [0, 0, ...by]) : moved(box, by));
}

// A number that cannot be is brought to the nearest that can.
function number(i) {
  const value = $(fields[i]).valueAsNumber / 100;
  if (Number.isFinite(value)) changed(resized(box, box.map((v, j) => (j === i ? value - v : 0))));
  $(fields[i]).value = percent(box[i]);
}
