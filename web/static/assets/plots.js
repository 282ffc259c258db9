// The last evaluations (searchd eval): quality and latency against the depth of
// the second look, as drawings and as a table of the same numbers.
import { $, el } from './dom.js';
import { evaluations, evaluation } from './api.js';

const again = 15_000; // ms until the list is asked for again
const size = { width: 380, height: 236, left: 44, right: 14, top: 12, bottom: 40 };
const dashes = ['none', '7 4', '2 4', '9 3 2 3']; // colours alone tell nothing to some eyes

let asked = 0;
let names = '';
let chosen = ''; // '' for the newest

/** Looks for evaluations and draws one; served is the fingerprint of the model in use. */
export async function look(signal, served) {
  if (Date.now() - asked < again) return;
  let list;
  try {
    list = (await evaluations(signal)).evaluations ?? [];
  } catch (err) {
    if (signal.aborted) return;
    names = '';
    $('evaluation').replaceChildren(el('p', { class: 'quiet' }, err.detail || err.title));
    asked = Date.now();
    if (![403, 404, 501].includes(err.status)) throw err;
    return;
  }
  asked = Date.now();
  const now = `${served} ${list.map((e) => e.name).join()}`;
  if (now === names) return;
  if (list.length === 0) {
    $('evaluation').replaceChildren(el('p', { class: 'quiet' }, 'No evaluation yet: ', el('code', {}, 'searchd eval --queries FILE'), ' measures one and keeps it here.'));
  } else {
    if (!list.some((e) => e.name === chosen)) chosen = list[0].name;
    await draw(list, served, signal);
  }
  names = now;
}

/** Forgets when it last looked: whoever comes to the view sees what there is now. */
export function reset() { asked = 0; }

const date = (time) => new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });

async function draw(list, served, signal) {
  const told = list.find((e) => e.name === chosen);
  const report = await evaluation(chosen, signal);
  const rows = [...(report.rows ?? [])].sort((a, b) => a.depth - b.depth);
  const pick = el('select', { class: 'field' }, list.map((e) => el('option', { value: e.name, selected: e.name === chosen }, `${date(e.time)}: ${e.file || 'queries'}`)));
  pick.addEventListener('change', async () => {
    chosen = pick.value;
    try {
      await draw(list, served, signal);
      $('evaluation').querySelector('select')?.focus();
    } catch (err) {
      if (!signal.aborted) $('admin-state').textContent = err.detail || err.title;
    }
  });
  $('evaluation').replaceChildren(
    list.length > 1 ? el('label', { class: 'pick' }, el('span', {}, 'Evaluation'), pick) : '',
    el('p', { class: 'quiet' }, `${told.file ? `${told.file}: ` : ''}${report.queries.toLocaleString()} queries over ${told.items.toLocaleString()} items, ${date(told.time)}`),
    served && report.model !== served ? el('p', { class: 'note' }, `It is of another model (${report.model.slice(0, 12)}) than the one that is served.`) : '',
    el('div', { class: 'plots' }, quality(rows), latency(rows)),
    table(rows), reliability(report.reliability) ?? '');
}

function quality(rows) {
  return figure('Ranking quality', 'mean over all queries; 1 is best', rows, {
    most: 1, words: (v) => v.toFixed(3),
    series: [['R@1', 'r1'], ['R@5', 'r5'], ['R@10', 'r10'], ['nDCG@10', 'ndcg10']],
  });
}

function latency(rows) {
  return figure('Latency', 'ms a search, one after the other', rows, {
    zero: true, words: (v) => `${v < 10 ? v.toFixed(1) : Math.round(v)} ms`,
    series: [['p50', 'p50_ms'], ['p95', 'p95_ms']],
  });
}

function reliability(r) {
  return r ? el('p', { class: 'quiet' }, `Match probabilities of ${r.pairs.toLocaleString()} candidates: calibration error ${r.ece.toFixed(3)}, Brier score ${r.brier.toFixed(3)} (0 is perfect).`) : null;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.flat());
  return node;
}

/** A step of 1, 2 or 5 times a power of ten that parts a range in about n. */
function nice(range, n) {
  const power = 10 ** Math.floor(Math.log10(range / n));
  return power * ([1, 2, 5].find((f) => range / (power * f) <= n) ?? 10);
}

/** The ends of the axis and its step. */
export function axis(values, { zero, most }) {
  let [low, high] = [zero ? 0 : Math.min(...values), Math.max(...values)];
  if (high - low < 0.02 * (Math.abs(high) || 1)) [low, high] = [zero ? 0 : low - 0.05, high + (zero ? 1 : 0.05)];
  if (most !== undefined) high = Math.min(high, most);
  const step = nice(high - low, 5);
  return { low: Math.floor(low / step + 1e-9) * step, high: Math.ceil(high / step - 1e-9) * step, step };
}

function figure(title, unit, rows, { series, words, ...bounds }) {
  const a = axis(rows.flatMap((r) => series.map(([, field]) => r[field])), bounds);
  const inner = { w: size.width - size.left - size.right, h: size.height - size.top - size.bottom };
  const x = (i) => size.left + (rows.length > 1 ? (inner.w * (i + 0.25)) / (rows.length - 0.5) : inner.w / 2); // a place for each depth, whatever their distance
  const y = (v) => size.top + inner.h * (1 - (v - a.low) / (a.high - a.low));
  const id = `plot-${series[0][1]}`;
  const ends = series.map(([name, field]) => `${name} ${words(rows[0][field])} at depth ${rows[0].depth}, ${words(rows.at(-1)[field])} at ${rows.at(-1).depth}`).join('; ');
  return el('figure', { class: 'plot' }, el('figcaption', {}, el('b', {}, title), ` ${unit}`),
    svg('svg', { viewBox: `0 0 ${size.width} ${size.height}`, role: 'img', 'aria-labelledby': `${id}-title`, 'aria-describedby': `${id}-told` },
      svg('title', { id: `${id}-title` }, `${title} against the depth of the second look`), svg('desc', { id: `${id}-told` }, `${ends}. The table below has all numbers.`),
      grid(a, y), depths(rows, x), series.map(([name, field], n) => line(n, rows.map((r, i) => [x(i), y(r[field]), `${name} at depth ${r.depth}: ${words(r[field])}`])))),
    el('ul', { class: 'legend', 'aria-hidden': 'true' }, series.map(([name], n) => el('li', {},
      svg('svg', { viewBox: '0 0 34 12', class: 'key' }, line(n, [[1, 6], [17, 6], [33, 6]].map((p, i) => [...p, i === 1 ? ' ' : '']))), name))));
}

function grid(a, y) {
  const digits = Math.max(0, -Math.floor(Math.log10(a.step) + 1e-9));
  const count = Math.round((a.high - a.low) / a.step);
  return Array.from({ length: count + 1 }, (_, i) => a.low + i * a.step).flatMap((v) => [
    svg('line', { class: 'rule', x1: size.left, x2: size.width - size.right, y1: y(v), y2: y(v) }),
    svg('text', { x: size.left - 7, y: y(v) + 4, 'text-anchor': 'end' }, v.toFixed(digits))]);
}

function depths(rows, x) {
  const foot = size.height - size.bottom;
  return [...rows.map((r, i) => svg('text', { x: x(i), y: foot + 17, 'text-anchor': 'middle' }, String(r.depth))),
    svg('text', { class: 'axis', x: (size.left + size.width - size.right) / 2, y: size.height - 5, 'text-anchor': 'middle' }, 'candidates that got the second look (0: none)')];
}

/** A series with a mark at each point [x, y, words]; a point without words has none. */
function line(n, points) {
  return svg('g', { class: `series s${n}` }, svg('polyline', { points: points.map(([px, py]) => `${px},${py}`).join(' '), 'stroke-dasharray': dashes[n] }),
    points.filter((p) => p[2]).map(([px, py, words]) => mark(n, px, py, words)));
}

function mark(n, x, y, words) {
  const shape = [`M${x - 4} ${y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z`, `M${x - 3.5} ${y - 3.5}h7v7h-7z`, `M${x} ${y - 4.5}l4.5 8h-9z`, `M${x} ${y - 5}l5 5l-5 5l-5 -5z`][n];
  return svg('path', { class: 'point', d: shape }, words.trim() ? svg('title', {}, words) : []);
}

const columns = [['R@1', 'r1'], ['R@5', 'r5'], ['R@10', 'r10'], ['MRR', 'mrr'], ['nDCG@10', 'ndcg10'], ['mAP@100', 'map_100'], ['p50, ms', 'p50_ms'], ['p95, ms', 'p95_ms']];

function table(rows) {
  const cut = rows.some((r) => r.cut > 0);
  const cell = (r, field) => el('td', {}, field.endsWith('_ms') ? r[field].toFixed(1) : r[field].toFixed(3));
  return el('details', { class: 'numbers' }, el('summary', {}, 'The numbers as a table'),
    el('div', { class: 'scroll', tabIndex: 0, role: 'group', 'aria-label': 'Numbers of the evaluation' }, el('table', {},
      el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Depth'), columns.map(([name]) => el('th', { scope: 'col' }, name)), cut && el('th', { scope: 'col' }, 'Cut short'))),
      el('tbody', {}, rows.map((r) => el('tr', {}, el('th', { scope: 'row' }, r.depth === 0 ? '0 (ITC only)' : String(r.depth)),
        columns.map(([, field]) => cell(r, field)), cut && el('td', {}, String(r.cut))))))),
    cut ? el('p', { class: 'quiet' }, 'Of searches that were cut short not all candidates were read; their quality is too low.') : '');
}
