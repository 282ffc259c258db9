// The grid of hits: cards that keep their identity between answers and glide
// to their new places, markers of what the second look moved.
import { $, show, el, calm, money, percent, ms, swatch, pictureOf, altBeside } from './dom.js';
import { pictureAddress } from './api.js';
import { describe } from './query.js';

/** Shows exactly one of the page's states: start, wait, hits, nothing, problem, admin. */
export function state(name) {
  document.body.dataset.view = name;
  show('start', name === 'start');
  show('found', name === 'hits' || name === 'wait' || name === 'nothing');
  show('problem', name === 'problem');
  show('nothing', name === 'nothing');
  show('admin', name === 'admin');
  if (name === 'admin') show('crop', false); // picture.js shows it again with the query
  show('results', name === 'hits' || name === 'wait');
  show('order', name !== 'nothing');
  if (name !== 'hits') { show('note', false); show('more', false); }
  $('results').setAttribute('aria-busy', String(name === 'wait'));
}

/** Skeletons instead of a first answer; a later search only dims what is there. */
export function waiting(words) {
  const list = $('results');
  const kept = !$('results').hidden && list.querySelector('.card:not(.skeleton)');
  state('wait');
  $('count').textContent = words;
  if (kept) return;
  $('latency').replaceChildren();
  list.replaceChildren(...Array.from({ length: 12 }, () => el('li', { class: 'card skeleton', 'aria-hidden': 'true' },
    el('div', { class: 'frame' }), el('b'), el('b'))));
}

export function problem(p) {
  state('problem');
  $('results').replaceChildren();
  $('problem-title').textContent = p.title;
  $('problem-detail').textContent = p.detail;
  $('problem-list').replaceChildren(...p.errors.filter((e) => !p.detail.includes(e.detail))
    .map((e) => el('li', {}, e.field ? `${e.field}: ${e.detail}` : e.detail)));
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

/** Places of the first look: gaps that min_match has left are closed. */
export const byFirstLook = (hits) => [...hits].sort((a, b) => a.itc_rank - b.itc_rank);

/** Puts hits on the page in the order given. link(id) is the address of a hit's "why". */
export function hits(list, order, link) {
  const grid = $('results');
  const old = new Map([...grid.querySelectorAll('.card:not(.skeleton)')].map((c) => [c.dataset.id, c]));
  const from = new Map([...old].map(([id, c]) => [id, c.getBoundingClientRect()]));
  const focused = document.activeElement?.closest?.('.card')?.dataset.id;
  const cards = list.map((h) => {
    const kept = old.get(h.id);
    const card = kept?.dataset.view === String(h.view ?? 0) ? kept : build(h);
    refresh(card, h, order, link(h.id));
    return card;
  });
  state('hits');
  grid.replaceChildren(...cards);
  if (focused) cardOf(focused)?.querySelector('.open').focus({ preventScroll: true }); // a node that is moved loses it
  move(cards, from);
}

function move(cards, from) {
  if (calm()) return;
  const to = cards.map((c) => c.getBoundingClientRect()); // all reads before the first write
  cards.forEach((card, i) => {
    const was = from.get(card.dataset.id);
    if (!was) {
      card.animate([{ opacity: 0, transform: 'scale(.96)' }, { opacity: 1, transform: 'none' }], { duration: 220, easing: 'ease-out' });
      return;
    }
    const [x, y] = [was.left - to[i].left, was.top - to[i].top];
    if (x || y) card.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: 'none' }], { duration: 450, easing: 'cubic-bezier(.2,.75,.2,1)' });
  });
}

function build(hit) {
  const item = hit.item ?? {};
  const title = item.title || hit.id;
  const img = pictureOf({ alt: altBeside(item), loading: 'lazy', width: 256, height: 256, src: pictureAddress(hit.id, hit.view, 480) });
  const similar = el('button', { type: 'button', class: 'similar', 'aria-label': `Pictures like ${title}`, title: 'Pictures like this (s)' }, '≈');
  return el('li', { class: 'card', data: { id: hit.id, view: hit.view ?? 0 } },
    el('a', { class: 'open' },
      el('div', { class: 'frame' }, img, el('span', { class: 'rank' }), stock(item)),
      el('div', { class: 'meter', 'aria-hidden': 'true' }, el('span')),
      el('h2', { class: 'title' }, title), el('span', { class: 'spoken unseen' })),
    el('p', { class: 'facts' }, ...facts(item), el('span', { class: 'chance' })), similar);
}

function facts(item) {
  const dot = item.color ? swatch(String(item.color)) : null;
  return [
    Number.isFinite(item.price) && el('span', { class: 'price' }, money(item.price, item.currency)),
    (dot || item.brand) && el('span', { class: 'brand-name' }, dot, item.brand ?? ''),
  ];
}

function stock({ availability }) {
  return availability && !/^in[ _]stock$/i.test(availability) ? el('span', { class: 'gone' }, availability.replaceAll('_', ' ')) : null;
}

/** How many places the second look moved a hit up; null where it was not read. */
export const moved = (hit) => (Number.isFinite(hit.itm_logit) ? hit.itc_rank - hit.rank : null);
export const arrow = (by) => (by > 0 ? `▲${by}` : by < 0 ? `▼${-by}` : '');

function refresh(card, hit, order, href) {
  const part = (name) => card.querySelector(`.${name}`);
  const by = moved(hit);
  const place = order === 'itc' ? hit.itc_rank : hit.rank;
  const said = order === 'itc' ? (by ? `, re-ranked ${hit.rank}` : '') : by > 0 ? `, up ${by}` : by < 0 ? `, down ${-by}` : '';
  const marks = [el('span', { class: 'unseen' }, 'Place '), el('b', {}, String(place)), el('span', { class: 'unseen' }, `${said}. `)];
  if (by) marks.push(el('i', { class: order === 'itc' ? '' : by > 0 ? 'up' : 'down', 'aria-hidden': 'true' }, order === 'itc' ? `→ ${hit.rank}` : arrow(by)));
  part('rank').replaceChildren(...marks);
  const p = hit.match_probability;
  const known = Number.isFinite(p);
  part('meter').classList.toggle('weak', known && p < 0.5);
  part('meter').firstChild.style.width = known ? `${Math.max(2, p * 100)}%` : '0';
  part('chance').textContent = known ? percent(p) : `cos ${hit.itc.toFixed(2)}`;
  part('chance').classList.toggle('good', known && p >= 0.5);
  part('chance').title = known ? 'Probability that the picture shows what was asked for' : 'Cosine of the first look; this one was not read again';
  part('open').href = href;
  part('spoken').textContent = `${known ? `Match ${percent(p)}. ` : ''}Why?`;
}

/** Marks the card whose "why" is open. */
export function mark(id) {
  for (const card of $('results').querySelectorAll('.card')) {
    if (card.dataset.id === id) card.querySelector('.open').setAttribute('aria-current', 'true');
    else card.querySelector('.open').removeAttribute('aria-current');
  }
}

export const cardOf = (id) => [...$('results').children].find((c) => c.dataset.id === id);

/** A bar of the stages' times, and the same in words. */
export function latency(answer, order) {
  const t = answer.timings_ms;
  if (answer.cached) {
    $('latency').replaceChildren(el('span', {}, `from the cache, ${ms(t.total)}`));
    return;
  }
  const r = answer.rerank;
  const noun = r.read === 'titles' ? 'titles' : 'pictures';
  const stages = [['encode', t.tokenize + t.encode, 'encode'], ['search', t.search, 'search']];
  if (r.scored > 0 && order === 'itm') stages.push(['look', t.rerank, 'second look', ` at ${r.scored} ${noun}`]);
  const total = stages.reduce((sum, s) => sum + s[1], 0) || 1;
  const bar = el('span', { class: 'lat-bar', 'aria-hidden': 'true' }, stages.map(([name, v]) => {
    const part = el('span', { class: name });
    part.style.width = `${(100 * v) / total}%`;
    return part;
  }));
  $('latency').replaceChildren(bar, ...stages.map(([name, v, words, more]) => el('span', { class: 'lat-key' },
    el('i', { class: name, 'aria-hidden': 'true' }), el('span', {}, words, more && el('span', { class: 'wide' }, more), ` ${ms(v)}`))));
}

/** The one thing worth saying about this answer, if there is one. */
export function remark(answer, query, best) {
  const { scored, of, stopped, read } = answer.rerank;
  const noun = read === 'titles' ? 'titles' : 'pictures';
  if (answer.query.cut > 0) return 'Your description is longer than the model reads; its end was left out. A shorter one may find more.';
  if (query.order === 'itc') return '';
  if (stopped === 'deadline') return `Time ran out after a second look at ${scored} of ${of} ${noun}; the others stand where they are expected.`;
  if (stopped === 'busy') return `Many searches are under way: a second look was possible at ${scored} of ${of} ${noun}.`;
  if (stopped === 'failed') return 'The second look failed this time; this is the order of the first look.';
  if (stopped === 'missing' && read === 'titles') return `${of - scored} of the ${of} nearest have no title to read.`;
  if (stopped === 'missing') return `A second look was possible at ${scored} of ${of} pictures; the others have not been prepared for it yet.`;
  if (answer.no_good_match || (query.text && Number.isFinite(best) && best < 0.5)) return `No good match: nothing here clearly shows ${describe(query)}. These are the nearest.`;
  return '';
}
