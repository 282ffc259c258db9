// The page's state: which query, its place in the address bar and in history,
// one search under way at a time.
import { $, show, debounce } from './dom.js';
import { search, item, Problem } from './api.js';
import * as queries from './query.js';
import * as results from './results.js';
import * as facets from './facets.js';
import * as picture from './picture.js';
import * as crop from './crop.js';
import * as why from './why.js';
import * as keys from './keys.js';
import * as signin from './signin.js';
import * as start from './start.js';
import * as admin from './admin.js';

const { describe, isEmpty } = queries;
const batch = 50; // hits of one request: as many as get the second look by default
const step = 25; // hits that appear at once
const fresh = 60_000; // ms that an answer may be shown again for
const slow = 2500; // ms
const tries = { 429: 3, 503: 24 }; // of a server that is busy or starts, before somebody has to ask

let query = queries.read('', null); // what the page shows or is about to show
let got = null; // {key, look, answer, hits, ended}: the answer on the page
let shown = step;
let running = null; // AbortController of the search under way
let attempts = 0;
let retry = 0; // timer
const answers = new Map(); // of lately, by key, the newest last

function write(next, replace, extra = {}) {
  const state = { ...extra };
  if (next.likeTitle) state.likeTitle = next.likeTitle;
  if (next.picture) state.picture = next.picture;
  if (next.picture && next.box) state.box = next.box.join(',');
  const at = queries.address(next);
  history[replace ? 'replaceState' : 'pushState'](state, '', at === './' ? location.pathname : at);
}

/** Changes the query and searches. how: {replace, typing} says what becomes of history. */
function go(part, { replace = false, typing = false } = {}) {
  const next = { ...query, ...part };
  const along = typing && history.state?.typing; // one entry for one stretch of typing
  write(next, replace || along, typing ? { typing: true } : {});
  if (!typing && !replace) window.scrollTo(0, 0);
  attempts = 0;
  run(next);
}

const changeFilter = (part) => go({ ...part, why: '', word: null }, { replace: true });

function controls() {
  const byPicture = queries.hasPicture(query);
  if (document.activeElement !== $('q') || $('q').value.trim() !== query.text) $('q').value = query.text;
  if (document.activeElement !== $('less')) $('less').value = query.less;
  $('q').placeholder = byPicture ? 'Add words, or leave it to the picture' : 'Describe a picture';
  $('good').checked = queries.usesGood(query);
  $('good').disabled = !query.text;
  $('variants').checked = query.variants === 'one';
  document.querySelector(`input[name=order][value=${query.order}]`).checked = true;
  keys.showClear();
  picture.render(query);
  show('refine', !isEmpty(query));
  document.title = isEmpty(query) ? 'Sightline' : `${query.text || 'by picture'} · Sightline`;
}

/** Shows the query: from an answer of lately, or by asking. restore: scrolls to where history says. */
async function run(next, { restore = false } = {}) {
  running?.abort();
  clearTimeout(retry);
  query = next;
  running = new AbortController();
  const mine = running;
  admin.close();
  if (query.like && !query.likeTitle) await nameLike(mine.signal);
  if (mine !== running) return;
  controls();
  if (isEmpty(query)) { showStart(); return; }
  const look = query.order === 'itm';
  const known = recall(look);
  if (known) { take(known, restore); return; }
  const waiting = setTimeout(() => results.waiting(`Looking for ${describe(query)} …`), got ? 120 : 0); // a quick answer should not flicker
  const late = setTimeout(() => { if (!$('signin').open) $('count').textContent = `Still looking for ${describe(query)}. The server is slow to answer.`; }, slow);
  try {
    const answer = await search(query, look, { limit: batch, offset: 0 }, mine.signal);
    if (mine === running) take(remember(look, answer), restore);
  } catch (err) {
    if (mine === running) fail(err);
  } finally {
    clearTimeout(waiting);
    clearTimeout(late);
  }
}

async function nameLike(signal) {
  try {
    query.likeTitle = (await item(query.like, signal)).title || query.like;
  } catch {
    query.likeTitle = query.like;
  }
}

function recall(look) {
  const key = queries.key(query);
  for (const candidate of look ? ['true'] : ['true', 'false']) {
    const known = answers.get(candidate + key);
    if (known && Date.now() - known.at < fresh) return known;
  }
  return null;
}

function remember(look, answer) {
  const key = queries.key(query);
  const entry = { key, look, answer, hits: answer.hits, ended: answer.hits.length < batch, at: Date.now() };
  answers.set(look + key, entry);
  if (answers.size > 20) answers.delete(answers.keys().next().value);
  return entry;
}

function take(entry, restore) {
  if (!got || got.key !== entry.key) shown = Math.max(step, history.state?.shown ?? 0);
  got = entry;
  attempts = 0;
  if (got.hits.length === 0) renderNothing();
  else render();
  if (restore) window.scrollTo(0, history.state?.y ?? 0);
}

const ordered = () => (query.order === 'itc' ? results.byFirstLook(got.hits) : got.hits);

function render() {
  const list = ordered().slice(0, shown);
  results.hits(list, query.order, (id) => queries.address({ ...query, why: id, word: null }));
  facets.render(got.hits, got.answer.facets, query, changeFilter);
  facets.chips(query, changeFilter);
  results.latency(got.answer, query.order);
  $('heading').textContent = `Pictures for ${describe(query)}`;
  const p = list[0]?.match_probability;
  const n = got.hits.length;
  const sorted = query.order === 'itc' ? 'by cosine' : got.answer.rerank.scored > 0 ? 're\u2011ranked' : 'nearest first';
  $('count').textContent = `${n}${got.ended ? '' : ' nearest'} ${n === 1 ? 'picture' : 'pictures'} for ${describe(query)}, ${sorted}`;
  results.note(results.remark(got.answer, query, p));
  show('more', shown < n || !got.ended);
  $('more').disabled = false;
  showWhy();
}

async function more() {
  const before = shown;
  if (shown >= got.hits.length && !got.ended) {
    $('more').disabled = true;
    const mine = running;
    const entry = got;
    try {
      const answer = await search(query, entry.look, { limit: batch, offset: entry.hits.length }, mine.signal);
      const seen = new Set(entry.hits.map((h) => h.id)); // the catalogue may have changed in between
      entry.hits = [...entry.hits, ...answer.hits.filter((h) => !seen.has(h.id))];
      entry.ended = answer.hits.length < batch;
    } catch (err) {
      $('more').disabled = false;
      if (mine === running && !mine.signal.aborted) results.note(`${err.title}. ${err.detail ?? ''}`); // what is on the page stays
      return;
    }
    if (mine !== running) return;
  }
  shown += step;
  history.replaceState({ ...history.state, shown }, '');
  render();
  $('results').children[before]?.querySelector('.open').focus();
}

function renderNothing() {
  facets.render(got.hits, got.answer.facets, query, changeFilter);
  facets.chips(query, changeFilter);
  results.latency(got.answer, query.order);
  why.close({ focus: false });
  $('count').textContent = 'No pictures';
  if (got.answer.no_good_match) results.nothing(`Nothing here shows ${describe(query)}`, 'The nearest pictures were read again and none is a likely match.', true);
  else if (queries.filtered(query)) results.nothing('Nothing is left', `No picture has everything that the filters ask for. Take one away above.`, false);
  else results.nothing('There are no pictures here yet', 'Import a catalogue or a folder of pictures with “indexd import”, then search again.', false);
}

function fail(err) {
  const known = err instanceof Problem;
  if (!known) console.error(err);
  const problem = known ? err : new Problem({ title: 'Something went wrong', detail: 'The answer could not be shown.' });
  got = null;
  why.close({ focus: false });
  results.problem(problem);
  if (problem.wait > 0 && attempts < (tries[problem.status] ?? 0)) countDown(problem, Math.min(problem.wait, 60));
}

/** A busy server says when to come again; the page does, a few times. */
function countDown(problem, seconds) {
  $('problem-detail').textContent = `${problem.detail} Trying again in ${seconds} s.`;
  retry = setTimeout(() => { attempts += 1; run(query); }, seconds * 1000);
}

function showStart() {
  got = null;
  why.close({ focus: false });
  $('results').replaceChildren();
  results.state('start');
  start.fill();
}

async function showWhy(options) {
  if (!query.why) { why.close(options); return; }
  const mine = running;
  let hit = got.hits.find((h) => h.id === query.why);
  try {
    hit ??= await why.lookUp(query.why);
  } catch {
    why.close();
    return;
  }
  if (mine === running && query.why === hit.id) why.open(hit, query, got.answer, options);
}

/** Changes what the panel shows; the answer stays. */
function look(part, replace) {
  query = { ...query, ...part };
  write(query, replace, { ...history.state, typing: false });
  showWhy();
}

function neighbour(by) {
  const list = ordered();
  const at = list.findIndex((h) => h.id === query.why);
  const next = list[at + by];
  if (at >= 0 && next) { shown = Math.max(shown, at + by + 1); look({ why: next.id, word: query.word }, true); }
}

const like = (id, title) => go({ ...queries.none, like: id, likeTitle: title });

async function byFile(file) {
  try {
    const ready = await picture.prepare(file);
    go({ file: ready, picture: queries.keepFile(ready), like: '', likeTitle: '', box: null, why: '', word: null });
  } catch (err) {
    results.problem(err instanceof Problem ? err : new Problem({ title: 'That picture cannot be read', detail: 'Choose another one.' }));
  }
}

const typed = debounce(() => {
  const text = $('q').value.trim();
  if (text !== query.text && (text.length !== 1 || queries.hasPicture(query))) go({ text, why: '', word: null }, { typing: true });
}, 220);
const typedLess = debounce(() => {
  const less = $('less').value.trim();
  if (less !== query.less) changeFilter({ less });
}, 350);
const weighed = debounce((weight) => go({ weight }, { replace: true }), 180);

function reorder(order) {
  go({ order }, { replace: true });
}

function clear() {
  typed.cancel();
  $('q').value = '';
  $('q').focus();
  if (!isEmpty(query) || location.hash) go({ ...queries.none });
  keys.showClear();
}

const refineSheet = keys.sheet();

function escape() {
  if (refineSheet.close()) return;
  if (why.isOpen()) { look({ why: '', word: null }, true); return; }
  if (document.activeElement !== $('q')) { $('q').focus(); $('q').select(); return; }
  clear();
}

function route() {
  if (location.hash === '#admin') {
    running?.abort();
    running = null;
    why.close({ focus: false });
    show('refine', false);
    results.state('admin');
    document.title = 'Index and jobs · Sightline';
    admin.open();
    return;
  }
  attempts = 0;
  run(queries.read(location.search, history.state), { restore: true });
}

const plainClick = (e) => e.button === 0 && !e.metaKey && !e.ctrlKey && !e.shiftKey && !e.altKey;

function listen() {
  $('search').addEventListener('submit', (e) => {
    e.preventDefault();
    typed.cancel();
    if (matchMedia('(pointer: coarse)').matches) $('q').blur(); // puts the phone's keyboard away
    const text = $('q').value.trim();
    if (!text && isEmpty(query)) $('q').focus();
    else go({ text, why: '', word: null }, { replace: text === query.text });
  });
  $('q').addEventListener('input', (e) => { keys.showClear(); if (!e.isComposing) typed(); });
  $('q').addEventListener('compositionend', typed);
  $('less').addEventListener('input', typedLess);
  $('good').addEventListener('change', (e) => changeFilter({ good: e.target.checked }));
  $('variants').addEventListener('change', (e) => changeFilter({ variants: e.target.checked ? 'one' : '' }));
  $('order').addEventListener('change', (e) => reorder(e.target.value));
  $('clear').addEventListener('click', clear);
  $('anyway').addEventListener('click', () => changeFilter({ good: false }));
  $('retry').addEventListener('click', () => { attempts = 0; run(query); });
  $('more').addEventListener('click', more);
  $('why-close').addEventListener('click', () => look({ why: '', word: null }, true));
  $('why-prev').addEventListener('click', () => neighbour(-1));
  $('why-next').addEventListener('click', () => neighbour(1));
  $('home').addEventListener('click', (e) => { if (plainClick(e)) { e.preventDefault(); go({ ...queries.none, order: 'itm', good: false, variants: '' }); } });
  $('from-admin').addEventListener('click', (e) => { if (plainClick(e)) { e.preventDefault(); write(query, false); route(); } });
  $('results').addEventListener('click', (e) => {
    const card = e.target.closest('.card');
    if (!card) return;
    if (e.target.closest('.similar')) like(card.dataset.id, card.querySelector('.title').textContent);
    else if (e.target.closest('.open') && plainClick(e)) { e.preventDefault(); look({ why: card.dataset.id, word: null }, Boolean(query.why)); }
  });
  $('examples').addEventListener('click', (e) => { if (e.target.matches('a') && plainClick(e)) { e.preventDefault(); go({ ...queries.none, text: e.target.textContent }); } });
  $('shelf').addEventListener('click', (e) => {
    const a = e.target.closest('a');
    if (a && plainClick(e)) { e.preventDefault(); like(a.dataset.id, a.dataset.title); }
  });
  window.addEventListener('popstate', route); // also for #admin
  window.addEventListener('online', () => { if (!$('problem').hidden) run(query); });
  window.addEventListener('scroll', debounce(() => { if (got) history.replaceState({ ...history.state, y: window.scrollY }, ''); }, 150), { passive: true });
  new ResizeObserver(([e]) => document.documentElement.style.setProperty('--head', `${e.target.offsetHeight}px`)).observe($('top'));
}

history.scrollRestoration = 'manual'; // the answer comes later than the browser would scroll
signin.setUp();
picture.setUp({ take: byFile, weigh: weighed, remove: () => { go({ file: null, picture: 0, like: '', likeTitle: '', box: null }); $('q').focus(); } });
crop.setUp({ change: (box) => go({ box, why: '', word: null }, { replace: Boolean(query.box) }) }); // the whole picture is one step back
why.setUp({ word: (word) => look({ word }, true), like });
keys.setUp({ escape, like, reorder: () => reorder(query.order === 'itc' ? 'itm' : 'itc') });
keys.cover();
keys.themeButton();
listen();
route();
