// Asks for an API key where the server wants one. The server keeps it in a
// cookie that scripts cannot read; this page keeps nothing.
import { $ } from './dom.js';
import { post, whenSignedOut } from './api.js';

let asking = null; // one dialog for all calls that met a 401 together
let refused = false; // after "Not now", until the next thing that somebody does

function ask() {
  if (refused) return Promise.resolve(false);
  asking ??= new Promise((resolve) => {
    $('key').value = '';
    $('signin-problem').textContent = '';
    $('signin').showModal();
    $('signin').addEventListener('close', () => {
      asking = null;
      refused = $('signin').returnValue !== 'in';
      resolve(!refused);
    }, { once: true });
  });
  return asking;
}

export function setUp() {
  whenSignedOut(ask);
  $('signin-cancel').addEventListener('click', () => $('signin').close('no'));
  $('signin').addEventListener('cancel', () => { $('signin').returnValue = 'no'; });
  for (const event of ['keydown', 'pointerdown']) document.addEventListener(event, () => { if (!asking) refused = false; }, { capture: true });
  $('signin-form').addEventListener('submit', async (e) => {
    e.preventDefault();
    $('signin-problem').textContent = '';
    try {
      await post('v1/session', { key: $('key').value.trim() }, undefined, { noSignIn: true });
    } catch (err) {
      $('signin-problem').textContent = err.detail || err.title;
      $('key').select();
      return;
    }
    $('signin').close('in');
  });
}
