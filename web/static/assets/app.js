// The page's state: which query, its place in the address bar and in history,
// one search under way at a time.
import { search, titleOf, Problem, pictureAddress } from './api.js';
import * as view from './view.js';

const { $ } = view;
const pageSize = 24;
const largest = 10 * 1024 * 1024; // the API's limit for a picture
const exampleQueries = ['red striped dress', 'blue watch with a white strap', 'yellow sofa', 'brown hat with a white band', 'green dotted mug'];

// Pictures cannot go into an address; history keeps a number, this keeps the file.
const files = new Map();
let current = null; // the query on the page
let shown = 0; // hits on the page
let running = null; // AbortController of the search under way
let judged = { key: '', ranks: new Map() }; // ranks of the last re-ranked answer, for the switch

function readAddress() {
  const at = new URLSearchParams(location.search);
  const file = files.get(history.state?.file);
  return {
    text: (at.get('q') ?? '').trim(), like: at.get('like') ?? '', likeTitle: history.state?.likeTitle ?? '', file,
    rerank: at.get('rerank') !== 'off', good: at.get('good') === 'on',
  };
}

function writeAddress(query, replace) {
  const at = new URLSearchParams();
  if (query.text) at.set('q', query.text);
  if (query.like) at.set('like', query.like);
  if (!query.rerank) at.set('rerank', 'off');
  if (query.good) at.set('good', 'on');
  let state = query.likeTitle ? { likeTitle: query.likeTitle } : null;
  if (query.file) {
    state = { file: files.size + 1 };
    files.set(state.file, query.file);
  }
  const address = at.size ? `?${at}` : location.pathname;
  history[replace ? 'replaceState' : 'pushState'](state, '', address);
}

const isEmpty = (query) => !query.text && !query.like && !query.file;
const keyOf = (query) => `${query.text}\n${query.good}`;
const describe = (query) => (query.file ? 'your picture' : query.like ? `“${query.likeTitle || query.like}”` : `“${query.text}”`);

/** Makes the controls show the query; the other way is in the event handlers. */
function showControls(query) {
  const byPicture = Boolean(query.file || query.like);
  $('q').value = query.text;
  $('q').placeholder = byPicture ? '' : 'Describe a picture';
  $('rerank').checked = query.rerank && !query.like;
  $('good').checked = query.good && query.rerank && !byPicture;
  $('rerank').disabled = Boolean(query.like); // what is similar to an item is seen, not read
  $('good').disabled = byPicture || !query.rerank;
  chip(query);
  document.title = isEmpty(query) ? 'Sightline' : `${query.text || 'by picture'} · Sightline`;
}

function chip(query) {
  const old = $('chip-image').src;
  if (old.startsWith('blob:')) URL.revokeObjectURL(old);
  $('chip').hidden = !(query.file || query.like);
  $('chip-image').hidden = false;
  if (query.file) {
    $('chip-image').src = URL.createObjectURL(query.file);
    $('chip-text').textContent = query.file.name || 'your picture';
  } else if (query.like) {
    $('chip-image').src = pictureAddress(query.like);
    $('chip-text').textContent = `like ${query.likeTitle || query.like}`;
  } else {
    $('chip-image').removeAttribute('src');
  }
}

async function run(query, { append = false } = {}) {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  current = query;
  if (query.like && !query.likeTitle) query.likeTitle = await titleOf(query.like);
  if (running !== mine) return;
  showControls(query);
  if (isEmpty(query)) {
    $('results').replaceChildren();
    view.state('start');
    return;
  }
  if (!append) view.waiting(`Looking for ${describe(query)} …`);
  $('more').disabled = true;
  try {
    const answer = await search(query, { limit: pageSize, offset: append ? shown : 0 }, mine.signal);
    if (running === mine) render(query, answer, append);
  } catch (err) {
    if (running === mine) fail(err, append);
  }
  if (running === mine) $('more').disabled = false;
}

function fail(err, append) {
  const known = err instanceof Problem;
  if (!known) console.error(err);
  const problem = known ? err : new Problem({ title: 'Something went wrong', detail: 'The answer could not be shown.' });
  if (append) view.note(`${problem.title}. ${problem.detail}`); // what is on the page stays
  else view.problem(problem);
}

function render(query, answer, append) {
  if (!append) shown = 0;
  if (answer.hits.length === 0 && !append) {
    renderNothing(query, answer);
    return;
  }
  const before = !query.rerank && judged.key === keyOf(query) ? judged.ranks : null;
  view.hits(answer, query, before, append);
  shown += answer.hits.length;
  $('more').hidden = answer.hits.length < pageSize;
  if (query.text && answer.rerank.scored > 0) remember(query, answer, append);
  $('count').textContent = `${$('more').hidden ? '' : 'First '}${shown} picture${shown === 1 ? '' : 's'} ${query.text ? 'for' : 'like'} ${describe(query)}`;
  view.times(answer, query);
  view.note(append ? $('note').textContent : remark(query, answer));
}

function remember(query, answer, append) {
  if (!append || judged.key !== keyOf(query)) judged = { key: keyOf(query), ranks: new Map() };
  for (const h of answer.hits) judged.ranks.set(h.id, h.rank);
}

function renderNothing(query, answer) {
  view.times(answer, query);
  $('count').textContent = 'No pictures';
  if (answer.no_good_match) view.nothing(`Nothing here shows ${describe(query)}`, 'The nearest pictures were looked at twice and none is a likely match.', true);
  else view.nothing('There are no pictures here yet', 'Import a catalogue or a folder of pictures with “indexd import”, then search again.', false);
}

/** The one thing worth saying about this answer, if there is one. */
function remark(query, answer) {
  const { scored, of, stopped, read } = answer.rerank;
  const pictures = read === 'titles' ? 'titles' : 'pictures';
  if (answer.query.cut > 0) return 'Your description is longer than the model reads; its end was left out. A shorter one may find more.';
  if (stopped === 'deadline') return `Time ran out after a second look at ${scored} of ${of} ${pictures}; the others stand where they are expected.`;
  if (stopped === 'failed') return 'The second look failed this time; this is the order of the first look.';
  if (stopped === 'missing' && read === 'titles') return `${of - scored} of the ${of} nearest have no title to read.`;
  if (stopped === 'missing') return `A second look was possible at ${scored} of ${of} pictures; the others have not been prepared for it yet.`;
  const best = answer.hits[0]?.match_probability;
  if (Number.isFinite(best) && best < 0.5) return `Nothing here clearly shows ${describe(query)}. These are the nearest.`;
  return '';
}

function go(query, replace = false) {
  writeAddress(query, replace);
  window.scrollTo(0, 0);
  run(query);
}

const settings = () => ({ rerank: current?.rerank ?? true, good: current?.good ?? false });

function byFile(file) {
  if (!file) return;
  if (!/^image\//.test(file.type)) view.problem(new Problem({ title: 'That is not a picture', detail: 'Choose a JPEG, PNG or WebP file.' }));
  else if (file.size > largest) view.problem(new Problem({ title: 'That picture is too large', detail: 'Choose one of at most 10 MB.' }));
  else go({ text: '', like: '', file, ...settings() });
}

$('search').addEventListener('submit', (e) => {
  e.preventDefault();
  const text = $('q').value.trim();
  if (text && matchMedia('(pointer: coarse)').matches) $('q').blur(); // puts the phone's keyboard away
  if (text) go({ text, like: '', file: undefined, ...settings() });
  else if (current && !isEmpty(current) && !current.text) run(current);
  else $('q').focus();
});
$('rerank').addEventListener('change', (e) => go({ ...(current ?? readAddress()), rerank: e.target.checked }, true));
$('good').addEventListener('change', (e) => go({ ...(current ?? readAddress()), good: e.target.checked }, true));
$('anyway').addEventListener('click', () => go({ ...current, good: false }, true));
$('retry').addEventListener('click', () => run(current ?? readAddress()));
$('more').addEventListener('click', () => run(current, { append: true }));
$('chip-image').addEventListener('error', () => { $('chip-image').hidden = true; });
$('chip-remove').addEventListener('click', () => { go({ text: '', like: '', file: undefined, ...settings() }); $('q').focus(); });
$('pick').addEventListener('click', () => $('file').click());
$('file').addEventListener('change', (e) => { byFile(e.target.files[0]); e.target.value = ''; });
$('results').addEventListener('click', (e) => {
  const card = e.target.closest('.similar')?.closest('.card');
  if (card) go({ text: '', like: card.dataset.id, likeTitle: card.querySelector('.title').textContent, file: undefined, ...settings() });
});
$('examples').addEventListener('click', (e) => {
  if (!e.target.matches('a') || e.metaKey || e.ctrlKey || e.shiftKey) return;
  e.preventDefault();
  go({ text: e.target.textContent, like: '', file: undefined, ...settings() });
});

document.addEventListener('keydown', (e) => {
  const typing = e.target.matches('input:not([type=checkbox]), textarea, select') || e.isComposing;
  if (e.key === '/' && !typing && !e.ctrlKey && !e.metaKey && !e.altKey) { e.preventDefault(); $('q').focus(); $('q').select(); }
  else if (e.key === 'Escape' && !e.isComposing) { $('q').value = ''; $('q').focus(); if (current && !isEmpty(current)) go({ text: '', like: '', file: undefined, ...settings() }); }
});
document.addEventListener('paste', (e) => {
  const file = [...(e.clipboardData?.files ?? [])].find((f) => f.type.startsWith('image/'));
  if (file) { e.preventDefault(); byFile(file); }
});
const carriesFile = (e) => [...(e.dataTransfer?.types ?? [])].includes('Files');
document.addEventListener('dragover', (e) => { if (carriesFile(e)) { e.preventDefault(); document.body.classList.add('dragging'); } });
document.addEventListener('dragleave', (e) => { if (!e.relatedTarget) document.body.classList.remove('dragging'); });
document.addEventListener('drop', (e) => {
  document.body.classList.remove('dragging');
  if (carriesFile(e)) { e.preventDefault(); byFile(e.dataTransfer.files[0]); }
});
window.addEventListener('popstate', () => run(readAddress()));

$('examples').replaceChildren(...exampleQueries.map((text) => {
  const li = document.createElement('li');
  const a = document.createElement('a');
  a.href = `?${new URLSearchParams({ q: text })}`;
  a.textContent = text;
  li.append(a);
  return li;
}));
run(readAddress());
