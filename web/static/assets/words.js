// What a model says about an item's picture: a caption kept with the item, one
// written now, and answers to questions. Only what the server has is offered.
import { $, show, percent, caption as kept } from './dom.js';
import { call, post, Problem } from './api.js';

const written = new Map(); // captions of lately, by item, the newest last

let asked = null; // what the server has, asked once it is needed: a promise
let running = null; // AbortController of the request under way
let id = '';

/** What the server says that it has; nothing where it cannot be asked. */
function offers() {
  asked ??= call('readyz').catch(() => { asked = null; return {}; });
  return asked;
}

export function setUp() {
  $('describe').addEventListener('click', describe);
  $('ask').addEventListener('submit', (e) => { e.preventDefault(); ask(); });
}

/** Shows the part for an item whose panel has opened. */
export async function open(item, itemID, signal) {
  stop();
  id = itemID;
  $('question').value = '';
  for (const part of ['caption-note', 'answer-note']) $(part).textContent = '';
  caption(kept(item) || written.get(id)?.text || '', written.get(id)?.match_probability);
  show('describe', false);
  show('ask', false);
  show('words-of-part', Boolean($('caption').textContent));
  const { captioner, answerer } = await offers();
  if (signal.aborted || id !== itemID) return;
  show('describe', Boolean(captioner) && !$('caption').textContent);
  show('ask', Boolean(answerer));
  show('words-of-part', Boolean(captioner || answerer || $('caption').textContent));
}

/** Gives up what is under way. */
export function stop() {
  running?.abort();
  running = null;
  $('describe').removeAttribute('aria-disabled');
}

function caption(text, probability) {
  $('caption').textContent = text;
  show('caption', Boolean(text));
  $('caption-match').textContent = text && Number.isFinite(probability) ? `The searching model finds that it fits: ${percent(probability)}.` : '';
}

/** One request with its states told in note; the answer, or null after a failure. */
async function request(path, body, note, words) {
  stop();
  running = new AbortController();
  const mine = running;
  $(note).textContent = words;
  try {
    const answer = await post(path, body, mine.signal);
    if (mine !== running) return null;
    $(note).textContent = '';
    return answer;
  } catch (err) {
    if (mine === running) $(note).textContent = err instanceof Problem ? `${err.title === 'Too many searches at once' ? 'Too much at once' : err.title}. ${err.detail}` : 'That did not work.';
    return null;
  } finally {
    if (mine === running) stop();
  }
}

async function describe() {
  if ($('describe').getAttribute('aria-disabled') === 'true') return; // keeps the focus, as disabled would not
  const of = id;
  const answer = request('v1/captions', { image: { id: of } }, 'caption-note', 'Looking at the picture …');
  $('describe').setAttribute('aria-disabled', 'true');
  const one = (await answer)?.captions[0];
  if (!one || of !== id) return;
  written.set(of, one);
  if (written.size > 50) written.delete(written.keys().next().value);
  caption(one.text || 'The model has no words for it.', one.match_probability);
  show('describe', false);
  $('caption').focus({ preventScroll: true }); // the button that had it is gone
}

async function ask() {
  const question = $('question').value.trim();
  if (!question) { $('question').focus(); return; }
  const of = id;
  const answer = await request('v1/answers', { image: { id: of }, question }, 'answer-note', 'Thinking about it …');
  if (answer && of === id) $('answer-note').textContent = answer.text ? `${question} — ${answer.text}` : 'The model has no answer.';
}
