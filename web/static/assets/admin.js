// The view of the index: what is served, jobs under way, what failed and why,
// the latest events. It asks again every two seconds while it is looked at.
import { $, show, el } from './dom.js';
import { call } from './api.js';

const pause = 2000; // ms
const kept = 30; // events on the page
const most = 10; // jobs on the page
const pages = 20; // of events, in one go: the queue may keep many

let timer = 0;
let running = null;
let last = 0; // seq of the newest event seen
let events = [];

export function open() {
  $('admin-title').focus({ preventScroll: true });
  if (!running) look();
}

export function close() {
  clearTimeout(timer);
  running?.abort();
  running = null;
}

document.addEventListener('visibilitychange', () => {
  if ($('admin').hidden) return;
  if (document.hidden) close();
  else if (!running) look();
});

async function look() {
  running = new AbortController();
  const { signal } = running;
  const parts = await Promise.all([health(signal), session(signal), jobs(signal), failed(signal), tail(signal)].map((p) => p.then(() => '', (err) => (signal.aborted ? '' : err.title ?? String(err)))));
  if (signal.aborted) return;
  const wrong = parts.find(Boolean);
  const told = wrong ?? 'Up to date';
  if ($('admin-state').textContent !== told) $('admin-state').textContent = told; // said once, not every two seconds
  timer = setTimeout(look, pause);
}

function tile(name, value, tone) {
  return el('div', { class: tone ? `tile ${tone}` : 'tile' }, el('dt', {}, name), el('dd', {}, value));
}

async function health(signal) {
  let ready;
  try {
    ready = await call('readyz', { signal });
  } catch (err) {
    if (!signal.aborted) $('health').replaceChildren(tile('Service', err.detail || err.title, 'bad'));
    return;
  }
  const look2 = ready.second_look;
  $('health').replaceChildren(
    tile('Service', ready.status ?? 'ready', 'fine'),
    tile('Items', Number.isFinite(ready.items) ? ready.items.toLocaleString() : '–'),
    tile('Second look', look2 ?? 'not told', look2 === 'ok' ? 'fine' : look2 ? 'bad' : ''),
    tile('Model', ready.model ?? '–'));
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
const when = (time) => el('time', { dateTime: time, title: time }, new Date(time).toLocaleTimeString());

async function jobs(signal) {
  await listed('jobs', 'v1/jobs?limit=200&state=leased', signal, async (leased) => {
    const waiting = await call('v1/jobs?limit=200&state=waiting', { signal });
    const ids = [...new Set([...(leased.items ?? []), ...(waiting.items ?? [])].map((j) => j.group || j.job))].slice(0, most);
    const told = await Promise.allSettled(ids.map((id) => call(`${jobPath(id)}?limit=1`, { signal })));
    const list = told.filter((t) => t.status === 'fulfilled').map((t) => t.value);
    $('jobs').replaceChildren(list.length > 0 ? el('ul', { class: 'jobs' }, list.map(progress)) : empty('Nothing waits.'));
  });
}

function progress(job) {
  const c = job.counts ?? {};
  const ended = (c.done ?? 0) + (c.superseded ?? 0) + (c.dead ?? 0);
  const all = ended + (c.waiting ?? 0) + (c.leased ?? 0);
  const words = `${ended} of ${all}${c.leased ? `, ${c.leased} at work` : ''}${c.dead ? `, ${c.dead} failed` : ''}`;
  return el('li', {}, el('code', {}, job.id), el('progress', { max: all || 1, value: ended, 'aria-label': `Job ${job.id}` }), el('span', {}, words));
}

async function failed(signal) {
  await listed('failed', 'v1/items?state=failed&limit=50', signal, (page) => {
    if ($('failed').querySelector('button[disabled]')) return; // a retry is under way; it draws anew by itself
    const list = page.items ?? [];
    if (list.length === 0) { $('failed').replaceChildren(empty('Nothing failed.')); return; }
    const focused = document.activeElement?.closest?.('#failed')?.querySelector('button:focus')?.dataset.job;
    $('failed').replaceChildren(el('div', { class: 'scroll', tabIndex: 0, role: 'group', 'aria-label': 'Failed changes' }, el('table', {},
      el('thead', {}, el('tr', {}, ['Item', 'Stage', 'Reason', 'Tries', 'At', ''].map((h) => (h ? el('th', { scope: 'col' }, h) : el('td', {}))))),
      el('tbody', {}, list.map(failure)))));
    if (focused) [...$('failed').querySelectorAll('button')].find((b) => b.dataset.job === focused)?.focus();
  });
}

function failure(j) {
  const again = el('button', { type: 'button', class: 'plain', data: { job: j.job }, 'aria-label': `Retry ${j.id}` }, 'Retry');
  again.addEventListener('click', async () => {
    again.disabled = true;
    let told = 'Waits again';
    try {
      await call(`${jobPath(j.job)}:retry`, { method: 'POST' });
    } catch (err) {
      told = `${err.title}. ${err.detail ?? ''}`;
    }
    $('admin-state').textContent = `${j.id}: ${told}`;
    again.replaceWith(el('span', {}, told));
  });
  return el('tr', {}, el('th', { scope: 'row' }, j.id ?? j.job), el('td', {}, j.stage ?? ''), el('td', { class: 'reason' }, j.reason ?? ''),
    el('td', {}, String(j.attempt ?? '')), el('td', {}, j.changed_at ? when(j.changed_at) : ''), el('td', {}, again));
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
    if (lines.length === 0) break;
    last = lines.at(-1).seq;
    events = [...events, ...lines].slice(-kept);
  }
  if (signal.aborted) return;
  $('events').replaceChildren(events.length === 0 ? empty('No events yet.') : el('ol', { class: 'events', reversed: true },
    [...events].reverse().map((e) => el('li', {}, when(e.time), el('span', { class: `dot ${e.state}` }), el('span', {}, `${e.item ?? e.job} ${e.state}${e.outcome ? `: ${e.outcome}` : ''}${e.reason ? `: ${e.reason}` : ''}`)))));
}
