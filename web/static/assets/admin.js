// The view of the index: what is served, jobs under way, what failed and why,
// ranking quality, the latest events. Jobs and events are live; where the server
// refuses the stream the page asks every two seconds while it is looked at.
import { $, show, el } from './dom.js';
import { call } from './api.js';
import { follow } from './live.js';
import * as plots from './plots.js';

const pause = 2000; // ms between two looks without a stream
const calm = 15_000; // ms between two looks with one: for readiness, and should the stream have died silently
const burst = 1000; // ms: events come in hundreds, and the jobs are looked at once for all of that time
const kept = 30; // events on the page
const most = 10; // jobs on the page
const pages = 20; // of events, in one go: the queue may keep many
const failures = 50; // on the page

let timer = 0;
let soon = 0; // timer of the look at jobs that events have asked for
let running = null;
let last = 0; // seq of the newest event seen
let events = [];
let unfollow = null;
let live = false;
let refused = false; // by the server, until the view is opened anew
let served = ''; // fingerprint of the model
const jobsSeen = new Map(); // by id: {told, at, ended}, to say how fast they go and how they ended

export function open() {
  $('admin-title').focus({ preventScroll: true });
  if (running) return;
  refused = false;
  jobsSeen.clear();
  plots.reset();
  start();
}

export function close() {
  clearTimeout(timer);
  clearTimeout(soon);
  [timer, soon, live] = [0, 0, false];
  unfollow?.();
  unfollow = null;
  running?.abort();
  running = null;
}

function start() {
  running = new AbortController();
  look(running.signal);
}

document.addEventListener('visibilitychange', () => {
  if ($('admin').hidden) return;
  if (document.hidden) close();
  else if (!running) start();
});

/** The first thing that went wrong with any of them, in words; '' for nothing. */
async function all(signal, ...parts) {
  const told = await Promise.all(parts.map((p) => p.then(() => '', (err) => (signal.aborted ? '' : err.title ?? String(err)))));
  return told.find(Boolean) ?? '';
}

async function look(signal) {
  const wrong = await all(signal, health(signal).then(() => plots.look(signal, served)), session(signal), jobs(signal), failed(signal), tail(signal));
  if (signal.aborted) return;
  say(wrong);
  pace();
  again(signal);
}

function again(signal) {
  clearTimeout(timer);
  timer = setTimeout(look, live ? calm : pause, signal);
}

function say(wrong) {
  const told = wrong || (live ? 'Live' : 'Up to date, asked every two seconds');
  if ($('admin-state').textContent !== told) $('admin-state').textContent = told; // said once, not every two seconds
  $('admin-state').classList.toggle('live', !wrong && live);
}

// From where the events on the page end, so that none is missing in between.
function connect(signal) {
  unfollow = follow(last, {
    event: (e) => { if (!signal.aborted) { seen([e]); hurry(signal); } },
    state: (on) => { if (!signal.aborted && live !== on) { live = on; say(''); again(signal); } },
    done: () => { unfollow = null; refused = true; },
  });
}

function hurry(signal) {
  soon ||= setTimeout(async () => {
    const wrong = await all(signal, jobs(signal), failed(signal));
    soon = 0;
    if (!signal.aborted && wrong) say(wrong);
  }, burst);
}

function tile(name, value, tone) {
  return el('div', { class: tone ? `tile ${tone}` : 'tile' }, el('dt', {}, name), el('dd', {}, value));
}

const number = (n) => (Number.isFinite(n) ? n.toLocaleString() : '–');

async function health(signal) {
  let ready;
  try {
    ready = await call('readyz', { signal });
  } catch (err) {
    if (!signal.aborted) $('health').replaceChildren(tile('Service', err.detail || err.title, 'bad'));
    return;
  }
  served = ready.model ?? '';
  const second = ready.second_look;
  $('health').replaceChildren(
    tile('Service', ready.status ?? 'ready', 'fine'),
    tile('Second look', second ?? 'not told', second === 'ok' ? 'fine' : second ? 'bad' : ''),
    tile('Items', number(ready.items)),
    ready.dimensions ? tile('Numbers in a vector', number(ready.dimensions)) : '',
    ready.calibrated === undefined ? '' : tile('Match probability', ready.calibrated ? 'calibrated' : 'not calibrated'),
    tile('Fingerprint of the model', served || '–', 'wide'));
}

// Where keys are asked for: whose this is, and the way out. Others have no such address.
async function session(signal) {
  try {
    const told = await call('v1/session', { signal });
    show('sign-out', Boolean(told.keys_required));
    if (told.keys_required) $('sign-out').title = `${told.name || told.key}: ${(told.scopes ?? []).join(', ')}`;
  } catch (err) {
    if (signal.aborted || err.status === 404) return;
    throw err;
  }
}

$('sign-out').addEventListener('click', async () => {
  await call('v1/session', { method: 'DELETE', noSignIn: true }).catch(() => null); // without the cookie there is nothing to end
  location.reload();
});

// A server that takes no writes has no queue; it says so.
async function listed(id, path, signal, draw) {
  try {
    await draw(await call(path, { signal }));
  } catch (err) {
    if (signal.aborted) return;
    $(id).replaceChildren(el('p', { class: 'quiet' }, err.detail || err.title));
    if (![403, 404, 501].includes(err.status)) throw err;
  }
}

const jobPath = (id) => `v1/jobs/${encodeURIComponent(id)}`;
const empty = (text) => el('p', { class: 'quiet' }, text);
const when = (time) => el('time', { dateTime: time, title: new Date(time).toLocaleString() }, new Date(time).toLocaleTimeString());

async function jobs(signal) {
  await listed('jobs', 'v1/jobs?limit=200&state=leased', signal, async (leased) => {
    const waiting = await call('v1/jobs?limit=200&state=waiting', { signal });
    const under = [...new Set([...(leased.items ?? []), ...(waiting.items ?? [])].map((j) => j.group || j.job))].slice(0, most);
    const gone = [...jobsSeen].filter(([id, j]) => !j.ended && !under.includes(id)).map(([id]) => id); // how did they end?
    const told = await Promise.allSettled([...under, ...gone].map((id) => call(`${jobPath(id)}?limit=1`, { signal })));
    if (signal.aborted) return;
    for (const t of told) if (t.status === 'fulfilled') remember(t.value);
    const ended = [...jobsSeen.values()].filter((j) => j.ended).slice(-most).reverse();
    const list = [...under.map((id) => jobsSeen.get(id)).filter(Boolean), ...ended.filter((j) => !under.includes(j.told.id))];
    $('jobs').replaceChildren(list.length > 0 ? el('ul', { class: 'jobs' }, list.map(progress)) : empty('Nothing waits.'));
  });
}

const share = ({ counts: c = {} }) => {
  const done = (c.done ?? 0) + (c.superseded ?? 0) + (c.dead ?? 0);
  return { done, whole: done + (c.waiting ?? 0) + (c.leased ?? 0) };
};

function remember(told) {
  const { done, whole } = share(told);
  const first = jobsSeen.get(told.id) ?? { at: Date.now(), from: done };
  jobsSeen.delete(told.id); // the newest last
  jobsSeen.set(told.id, { ...first, told, ended: done === whole });
  if (jobsSeen.size > 4 * most) jobsSeen.delete(jobsSeen.keys().next().value);
}

function progress(job) {
  const { told, ended } = job;
  const c = told.counts ?? {};
  const { done, whole } = share(told);
  const words = [`${done.toLocaleString()} of ${whole.toLocaleString()}`, c.leased && `${c.leased} at work`, c.dead && `${c.dead.toLocaleString()} failed`, ended ? 'ended' : left(job, done, whole)];
  return el('li', { class: ended ? 'ended' : '' }, el('code', {}, told.id), el('progress', { class: c.dead ? 'some-dead' : '', max: whole || 1, value: done, 'aria-label': `Job ${told.id}` }),
    el('span', {}, words.filter(Boolean).join(', ')));
}

/** How long it will take at the pace since the page first saw it; '' while that says nothing. */
function left({ at, from }, done, whole) {
  const seconds = (Date.now() - at) / 1000;
  if (done - from < 5 || seconds < 5) return '';
  const rest = ((whole - done) * seconds) / (done - from);
  return rest < 90 ? `about ${Math.ceil(rest)} s left` : `about ${Math.round(rest / 60)} min left`;
}

async function failed(signal) {
  await listed('failed', `v1/items?state=failed&limit=${failures}`, signal, (page) => {
    if ($('failed').querySelector('button[disabled]')) return; // a retry is under way; it draws anew by itself
    const list = page.items ?? [];
    const inside = $('failed').contains(document.activeElement);
    const focused = document.activeElement?.closest?.('#failed button')?.dataset.key;
    const keepFocus = () => {
      const next = [...$('failed').querySelectorAll('button')].find((b) => b.dataset.key === focused) ?? $('failed').querySelector('.scroll') ?? $('failed-title');
      if (inside) next.focus({ preventScroll: true });
    };
    if (list.length === 0) {
      $('failed').replaceChildren(empty('Nothing failed.'));
      keepFocus();
      return;
    }
    const stages = [...Map.groupBy(list, (j) => j.stage || 'no stage')].sort((a, b) => b[1].length - a[1].length);
    $('failed').replaceChildren(el('div', { class: 'scroll', tabIndex: 0, role: 'group', 'aria-label': 'Failed changes' }, el('table', {},
      el('thead', {}, el('tr', {}, ['Item', 'Reason', 'Tries', 'At', ''].map((h) => (h ? el('th', { scope: 'col' }, h) : el('td', {}))))),
      stages.map(([stage, jobs]) => group(stage, jobs, signal)))),
    page.next ? empty(`The first ${list.length} are shown.`) : '');
    keepFocus();
  });
}

function group(stage, jobs, signal) {
  return el('tbody', {}, el('tr', { class: 'by-stage' },
    el('th', { scope: 'rowgroup', colSpan: 4 }, stage, el('span', { class: 'n' }, ` ${jobs.length}`)),
    el('td', {}, jobs.length > 1 && retry(`Retry all ${jobs.length}`, `stage ${stage}`, jobs, signal))),
  jobs.map((j) => failure(j, signal)));
}

function failure(j, signal) {
  return el('tr', {}, el('th', { scope: 'row' }, j.id ?? j.job), el('td', { class: 'reason' }, j.reason ?? ''),
    el('td', {}, String(j.attempt ?? '')), el('td', {}, j.changed_at ? when(j.changed_at) : ''), el('td', {}, retry('Retry', j.id ?? j.job, [j], signal)));
}

/** A button that lets jobs wait again, one after the other. */
function retry(words, about, jobs, signal) {
  const again = el('button', { type: 'button', class: 'plain', data: { key: about }, 'aria-label': `${words}: ${about}` }, words);
  again.addEventListener('click', async () => {
    again.disabled = true;
    let told = 'Waits again';
    try {
      for (const j of jobs) await call(`${jobPath(j.job)}:retry`, { method: 'POST' });
    } catch (err) {
      told = `${err.title}. ${err.detail ?? ''}`;
    }
    $('admin-state').textContent = `${about}: ${told}`;
    const held = document.activeElement === again || document.activeElement === document.body;
    again.replaceWith(el('span', {}, told));
    if (held) $('failed').querySelector('.scroll')?.focus({ preventScroll: true });
    hurry(signal);
  });
  return again;
}

// Events come as lines, oldest first, a page at a time.
async function tail(signal) {
  for (let page = 0; page < pages; page += 1) {
    const response = await fetch(`v1/events?after=${last}`, { signal });
    if (!response.ok) {
      const told = await response.json().catch(() => null);
      $('events').replaceChildren(empty(told?.detail ?? 'This server keeps no events.'));
      return;
    }
    const lines = (await response.text()).split('\n').filter(Boolean).map((l) => JSON.parse(l));
    if (signal.aborted) return;
    seen(lines);
    if (lines.length === 0) break;
  }
  if (!unfollow && !refused) connect(signal);
}

// Imports of single items are done before anybody sees them wait: they show in the pace.
const ended = new Map(); // second -> {done, dead}

function count({ time, state }) {
  const second = Math.floor(Date.parse(time) / 1000);
  if (state !== 'done' && state !== 'dead') return;
  const here = ended.get(second) ?? { done: 0, dead: 0 };
  here[state] += 1;
  ended.set(second, here);
}

function pace() {
  const since = Date.now() / 1000 - 60;
  const sum = { done: 0, dead: 0 };
  for (const [second, n] of ended) {
    if (second < since) { ended.delete(second); continue; }
    sum.done += n.done;
    sum.dead += n.dead;
  }
  const words = [`${number(sum.done)} ${sum.done === 1 ? 'change' : 'changes'} done`, sum.dead > 0 && `${number(sum.dead)} failed`];
  $('pace').textContent = sum.done + sum.dead > 0 ? `In the last minute: ${words.filter(Boolean).join(', ')}.` : '';
}

/** Puts events on the page that it does not have yet: while a stream breaks off and comes again they come twice. */
function seen(list) {
  const fresh = list.filter((e) => e.seq > last);
  if (fresh.length > 0) last = fresh.at(-1).seq;
  for (const e of fresh) count(e);
  pace();
  events = [...events, ...fresh].slice(-kept);
  if (fresh.length === 0 && $('events').firstChild) return;
  $('events').replaceChildren(events.length === 0 ? empty('No events yet.') : el('ol', { class: 'events', reversed: true },
    [...events].reverse().map((e) => el('li', {}, when(e.time), el('span', { class: `dot ${e.state}` }), el('span', {}, `${e.item ?? e.job} ${e.state}${e.outcome ? `: ${e.outcome}` : ''}${e.reason ? `: ${e.reason}` : ''}`)))));
}
