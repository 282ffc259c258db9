// The panel that says why a hit is where it is: the score by its parts, a heat
// map for each word, the item itself, and what looks like it.
import { $, show, el, money, percent, webAddress, pictureOf, altAlone, altBeside } from './dom.js';
import { explain, similar, item as fetchItem, pictureAddress, Problem } from './api.js';
import { moved, arrow, mark, cardOf } from './results.js';
import { paint } from './heat.js';
import * as said from './words.js';

const small = new Set(['a', 'an', 'the', 'and', 'or', 'of', 'on', 'in', 'with', 'its', 'it', 'is', 'are', 'to', 'for', 'next', 'has', 'that']);
const maps = new Map(); // explanations by query and item, the newest last

let running = null;
let on = {}; // the page's handlers: word(index), like(id, title)

export function setUp(handlers) {
  on = handlers;
  said.setUp();
  $('alike-all').addEventListener('click', () => on.like($('why').dataset.id, $('why-title').textContent));
  $('alike').addEventListener('click', (e) => {
    const a = e.target.closest('a');
    if (!a || e.metaKey || e.ctrlKey || e.shiftKey) return;
    e.preventDefault();
    on.like(a.dataset.id, a.dataset.title);
  });
  $('why-image').addEventListener('error', () => { show('why-image', false); show('heat', false); show('why-lost', true); });
  $('words').addEventListener('click', (e) => {
    const button = e.target.closest('button');
    if (button) on.word(button.getAttribute('aria-pressed') === 'true' ? null : Number(button.dataset.index));
  });
}

export const isOpen = () => !$('why').hidden;

export function close({ focus = true } = {}) {
  if (!isOpen()) return;
  running?.abort();
  said.stop();
  const card = cardOf($('why').dataset.id);
  show('why', false);
  document.body.classList.remove('with-why');
  mark('');
  if (focus) card?.querySelector('.open').focus({ preventScroll: true });
}

/** Opens or refreshes the panel. hit may lack scores when it is not in the answer. */
export async function open(hit, query, answer, { focus = true } = {}) {
  const same = isOpen() && $('why').dataset.id === hit.id && $('why').dataset.text === query.text;
  show('why', true);
  document.body.classList.add('with-why');
  mark(hit.id);
  if (same) { drawWord(query.word); score(hit, query, answer); return; }
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  Object.assign($('why').dataset, { id: hit.id, text: query.text });
  $('why').scrollTop = 0;
  const title = hit.item?.title || hit.id;
  $('why-title').textContent = title;
  show('why-image', true);
  show('why-lost', false);
  $('why-image').src = pictureAddress(hit.id, hit.view);
  $('why-image').alt = altBeside(hit.item); // the panel's heading is the title
  show('heat', false);
  score(hit, query, answer);
  describeItem(hit.item ?? {}, hit.id);
  if (focus) $('why-title').focus({ preventScroll: true });
  await Promise.allSettled([said.open(hit.item, hit.id, signal), words(hit, query, signal), alike(hit.id, signal)]);
}

/** A hit that is not on the page, from a deep link or from another page of hits. */
export async function lookUp(id) {
  return { id, item: await fetchItem(id) };
}

async function words(hit, query, signal) {
  show('words-part', Boolean(query.text));
  $('words').replaceChildren();
  if (!query.text) return;
  const key = `${query.text}\n${hit.id}`;
  $('words-note').textContent = 'Asking the model where it looked …';
  try {
    if (!maps.has(key)) maps.set(key, await explain(query.text, hit.id, hit.view ?? 0, signal));
  } catch (err) {
    if (signal.aborted) return;
    $('words-note').textContent = err instanceof Problem ? `No map: ${err.detail}` : 'No map could be drawn.';
    return;
  }
  if (maps.size > 50) maps.delete(maps.keys().next().value);
  if (signal.aborted) return;
  $('words').replaceChildren(...maps.get(key).words.map((w) => el('button', {
    type: 'button', class: small.has(w.word.toLowerCase()) ? 'word small' : 'word', 'aria-pressed': 'false', data: { index: w.index },
  }, w.word)));
  drawWord(query.word);
}

/** Lays the map of a word over the picture; null takes it away. */
export function drawWord(index) {
  const answer = maps.get(`${$('why').dataset.text}\n${$('why').dataset.id}`);
  const word = answer?.words.find((w) => w.index === index);
  for (const b of $('words').children) b.setAttribute('aria-pressed', String(Number(b.dataset.index) === index));
  show('heat', Boolean(word) && !$('why-image').hidden);
  if (!answer) return;
  if (!word) {
    $('words-note').textContent = 'Choose a word to see where in the picture the model looked while it read it.';
    return;
  }
  paint($('heat'), word.grid);
  const share = `${Math.round(word.share * 100)} % of its attention is on the map, the most where it is brightest.`;
  $('words-note').textContent = small.has(word.word.toLowerCase())
    ? `“${word.word}” names nothing, so its map means nothing.` : `“${word.word}”: ${share} A map shows where the model looked, not that the picture fits.`;
}

function row(name, value, hint, bar) {
  const cells = [el('th', { scope: 'row', title: hint }, name), el('td', {}, value)];
  const meter = el('td', { class: 'bar-cell' });
  if (bar !== undefined) {
    const fill = el('span', { class: 'fill' });
    fill.style.width = `${Math.min(100, Math.max(0, bar * 100))}%`;
    meter.append(el('span', { class: 'bar', 'aria-hidden': 'true' }, fill));
  }
  return el('tr', {}, ...cells, meter);
}

function score(hit, query, answer) {
  if (hit.itc === undefined) {
    $('score').replaceChildren(el('p', { class: 'quiet' }, 'This item is not among the results on the page.'));
    return;
  }
  const rows = [row('Cosine (ITC)', hit.itc.toFixed(3), 'How near the vectors of query and picture are', hit.itc)];
  if (Number.isFinite(hit.itm_logit)) {
    rows.push(row('Match logit (ITM)', hit.itm_logit.toFixed(2), 'What the second look says, before it becomes a probability', (hit.itm_logit + 8) / 16));
    if (Number.isFinite(hit.title_logit)) rows.push(row('… of picture and title', hit.title_logit.toFixed(2)));
    if (Number.isFinite(hit.negative_logit)) rows.push(row(`… of “${query.less}”`, hit.negative_logit.toFixed(2), 'Counts against it'));
    rows.push(row('Match probability', percent(hit.match_probability), 'How likely the picture shows what was asked for', hit.match_probability));
  }
  rows.push(row('Score', hit.score.toFixed(2), 'What the order is by'));
  const by = moved(hit);
  const place = by === null ? [`${hit.rank}`] : by === 0 ? [`${hit.rank}, as before the second look`] : [`${hit.itc_rank} → ${hit.rank} `, el('i', { class: by > 0 ? 'up' : 'down' }, arrow(by))];
  rows.push(el('tr', {}, el('th', { scope: 'row' }, 'Place'), el('td', { colSpan: 2 }, ...place)));
  if (hit.moved?.length) rows.push(el('tr', {}, el('th', { scope: 'row' }, 'Moved by'), el('td', { colSpan: 2, class: 'moved' }, hit.moved.join(', '))));
  $('score').replaceChildren(el('table', { class: 'scores' }, el('tbody', {}, ...rows)), !Number.isFinite(hit.itm_logit) && why(answer) ? el('p', { class: 'quiet' }, why(answer)) : '');
}

function why(answer) {
  const stopped = answer?.rerank?.stopped;
  const words = { busy: 'many searches are under way', settled: 'it could not have come onto the page', deadline: 'time ran out', failed: 'it failed', missing: 'nothing to read was stored', disabled: 'it was switched off' };
  return `No second look at this one${words[stopped] ? `: ${words[stopped]}` : ''}.`;
}

function describeItem(item, id) {
  const href = webAddress(item.url ?? '');
  const rows = [['Price', Number.isFinite(item.price) && money(item.price, item.currency)], ['Brand', item.brand], ['Category', item.category],
    ['Colour', item.color], ['Availability', item.availability?.replaceAll('_', ' ')], ['Id', id]];
  $('item').replaceChildren(
    item.description && item.description !== item.title ? el('p', {}, item.description) : '',
    el('dl', { class: 'pairs' }, rows.filter(([, v]) => v).flatMap(([k, v]) => [el('dt', {}, k), el('dd', {}, String(v))])),
    href ? el('p', {}, el('a', { href, rel: 'noopener noreferrer' }, 'To the product’s page')) : '');
}

async function alike(id, signal) {
  $('alike').replaceChildren();
  show('alike-part', true);
  try {
    const answer = await similar(id, 8, signal);
    if (signal.aborted) return;
    show('alike-part', answer.hits.length > 0);
    $('alike').replaceChildren(...answer.hits.map((h) => {
      const title = h.item?.title || h.id;
      return el('li', { title }, el('a', { href: `?like=${encodeURIComponent(h.id)}`, data: { id: h.id, title } },
        pictureOf({ src: pictureAddress(h.id, 0, 192), alt: altAlone(h.item, h.id), loading: 'lazy', width: 96, height: 96 })));
    }));
  } catch {
    if (!signal.aborted) show('alike-part', false);
  }
}
