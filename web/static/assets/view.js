// Everything that writes to the page. Text from the catalogue goes in by
// textContent and checked attributes only; the page's policy refuses the rest.
import { pictureAddress } from './api.js';

export const $ = (id) => document.getElementById(id);
const show = (id, on) => { $(id).hidden = !on; };

/** Shows exactly one of the page's states: start, wait, hits, nothing, problem. */
export function state(name) {
  document.body.dataset.view = name;
  show('start', name === 'start');
  show('problem', name === 'problem');
  show('nothing', name === 'nothing');
  show('results', name === 'hits' || name === 'wait');
  show('status', name === 'hits' || name === 'nothing' || name === 'wait');
  if (name !== 'hits') { show('note', false); show('more', false); }
  $('results').setAttribute('aria-busy', String(name === 'wait'));
}

/** Skeletons instead of a first answer; a later search only dims what is there. */
export function waiting(words) {
  state('wait');
  $('count').textContent = words;
  $('times').textContent = '';
  const list = $('results');
  if (list.querySelector('.card:not(.skeleton)')) return;
  list.replaceChildren(...Array.from({ length: 12 }, () => $('skeleton').content.firstElementChild.cloneNode(true)));
}

export function problem(p) {
  state('problem');
  $('results').replaceChildren();
  $('problem-title').textContent = p.title;
  $('problem-detail').textContent = p.detail;
  $('problem-list').replaceChildren(...p.errors.filter((e) => !p.detail.includes(e.detail)).map((e) => {
    const li = document.createElement('li');
    li.textContent = e.field ? `${e.field}: ${e.detail}` : e.detail;
    return li;
  }));
  $('problem-id').textContent = p.requestID ? `Request ${p.requestID}` : '';
}

export function nothing(title, detail, anyway) {
  state('nothing');
  $('results').replaceChildren();
  $('nothing-title').textContent = title;
  $('nothing-detail').textContent = detail;
  show('anyway', anyway);
}

export function note(text) {
  $('note').textContent = text;
  show('note', Boolean(text));
}

const ms = (v) => (v < 10 ? `${v.toFixed(1)} ms` : `${Math.round(v)} ms`);

/** "encode 3.1 ms · search 1.0 ms · second look at 50 pictures 120 ms" */
export function times(answer, query) {
  const t = answer.timings_ms;
  const r = answer.rerank;
  const parts = [`search ${ms(t.search)}`];
  if (!query.like) parts.unshift(`encode ${ms(t.tokenize + t.encode)}`); // a stored picture is encoded already
  const noun = r.read === 'titles' ? 'title' : 'picture';
  if (r.scored > 0) parts.push(`second look at ${r.scored} ${noun}${r.scored === 1 ? '' : 's'} ${ms(t.rerank)}`);
  else if (query.text && r.stopped === 'disabled') parts.push('second look off');
  $('times').textContent = parts.join(' · ');
}

/** Puts hits on the page. Cards that stay glide to their new place. */
export function hits(answer, query, before, append) {
  const list = $('results');
  const places = new Map([...list.children].map((c) => [c.dataset.id, c.getBoundingClientRect()]));
  const cards = answer.hits.map((h) => card(h, answer, query, before));
  if (append) list.append(...cards);
  else list.replaceChildren(...cards);
  state('hits');
  if (!append) cards.forEach((c) => glide(c, places.get(c.dataset.id)));
}

function glide(el, from) {
  if (!from || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  const to = el.getBoundingClientRect();
  const [x, y] = [from.left - to.left, from.top - to.top];
  if (x || y) el.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: 'none' }], { duration: 380, easing: 'cubic-bezier(.2,.7,.2,1)' });
}

function card(hit, answer, query, before) {
  const el = $('card').content.firstElementChild.cloneNode(true);
  const part = (name) => el.querySelector(`.${name}`);
  const item = hit.item ?? {};
  const title = item.title || hit.id;
  el.dataset.id = hit.id;
  part('rank').textContent = hit.rank;
  part('rank').setAttribute('aria-label', `Place ${hit.rank}`);
  picture(part('frame'), hit.id, title);
  titleLink(part('title'), title, item.url);
  part('facts').replaceChildren(...facts(item));
  match(part('match'), hit.match_probability);
  movement(part('move'), hit, answer, query, before);
  part('similar').setAttribute('aria-label', `Find pictures similar to ${title}`);
  part('scores').querySelector('dl').replaceChildren(...scores(hit));
  return el;
}

function picture(frame, id, title) {
  const img = frame.querySelector('img');
  img.alt = title;
  img.addEventListener('error', () => { img.hidden = true; frame.querySelector('.lost').hidden = false; });
  img.src = pictureAddress(id);
}

function titleLink(el, title, address) {
  const url = address ? URL.parse?.(address) ?? tryURL(address) : null;
  if (!url || !/^https?:$/.test(url.protocol)) {
    el.textContent = title;
    return;
  }
  const a = document.createElement('a');
  a.href = url.href;
  a.rel = 'noopener noreferrer';
  a.textContent = title;
  el.append(a);
}

function tryURL(text) {
  try { return new URL(text); } catch { return null; }
}

function fact(text, name = '') {
  const el = document.createElement('span');
  el.className = name;
  el.textContent = text;
  return el;
}

function facts(item) {
  const list = [];
  if (Number.isFinite(item.price)) list.push(fact(money(item.price, item.currency), 'price'));
  if (item.color) list.push(colour(String(item.color)));
  for (const text of [item.brand, item.category]) if (text) list.push(fact(text));
  if (item.availability && !/^in[ _]stock$/i.test(item.availability)) list.push(fact(item.availability.replaceAll('_', ' ')));
  return list;
}

function money(price, currency) {
  try {
    return new Intl.NumberFormat(undefined, { style: 'currency', currency }).format(price);
  } catch {
    return `${price} ${currency ?? ''}`.trim();
  }
}

function colour(name) {
  const el = fact(name);
  if (/^[a-z]+$/i.test(name) && CSS.supports('color', name)) {
    const dot = fact('', 'swatch');
    dot.style.backgroundColor = name;
    el.prepend(dot);
  }
  return el;
}

function match(el, probability) {
  if (!Number.isFinite(probability)) return;
  const percent = probability >= 0.995 ? '99+' : probability < 0.005 ? '<1' : String(Math.round(probability * 100));
  el.hidden = false;
  el.classList.toggle('weak', probability < 0.5);
  el.querySelector('.bar span').style.width = `${Math.max(2, probability * 100)}%`;
  el.querySelector('.match-text').textContent = `${percent} % match`;
}

/** What the second look did to this hit, or would do if it was switched on. */
function movement(el, hit, answer, query, before) {
  const judged = Number.isFinite(hit.match_probability);
  const other = before?.get(hit.id);
  if (judged && hit.rank < hit.itc_rank) { el.textContent = `↑ from ${hit.itc_rank}`; el.classList.add('up'); }
  else if (judged && hit.rank > hit.itc_rank) { el.textContent = `↓ from ${hit.itc_rank}`; el.classList.add('down'); }
  else if (judged) el.textContent = 'same place';
  else if (answer.rerank.stopped === 'disabled' && other && other !== hit.rank) el.textContent = `second look: ${other}`;
  else if (query.text && answer.rerank.of > 0) el.textContent = 'first look only';
}

function scores(hit) {
  const rows = [['nearness (ITC)', hit.itc?.toFixed(3)], ['match logit (ITM)', hit.itm_logit?.toFixed(2)],
    ['score', hit.score?.toFixed(2)], ['place before', hit.itc_rank], ['id', hit.id]];
  return rows.filter(([, v]) => v !== undefined && v !== null).flatMap(([name, value]) => {
    const dt = document.createElement('dt');
    const dd = document.createElement('dd');
    dt.textContent = name;
    dd.textContent = value;
    return [dt, dd];
  });
}
