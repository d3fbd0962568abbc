// The page: it reads the events of the sidecar and lays them out. Every judgement is in the events.

const {secret, header, controls} = document.body.dataset;
const SILENCE_MS = 5000;
const LONGEST_WAIT_MS = 10000;
const state = {now: null, hour: null, examples: null, token: '', heard: 0, isLive: false, waits: 0, isDue: false};
const chart = new Chart(byId('traffic'), byId('traffic-reading'));

function fields(more = {}) {
  const all = {[header]: secret, ...more};
  if (state.token) all.Authorization = `Bearer ${state.token}`;
  return all;
}

// --- the stream ---

async function listen() {
  for (;;) {
    const stop = new AbortController();
    state.stop = stop;
    let why = 'the sidecar does not answer';
    try {
      const response = await fetch('events', {headers: fields(), cache: 'no-store', signal: stop.signal});
      if (response.ok) {
        await readEvents(response.body);
        why = 'the stream ended';
      } else {
        why = (await response.json()).error;
        // After a restart the sidecar has another secret, which a new page brings.
        if (response.status === 403 && state.heard) location.reload();
      }
    } catch (error) {
      if (state.isAsked) why = 'connecting';
    }
    state.isAsked = false;
    cut(why);
    const wait = Math.min(LONGEST_WAIT_MS, 500 * 2 ** state.waits);
    state.waits += 1;
    await new Promise((resume) => setTimeout(resume, wait));
  }
}

async function readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    const parts = (rest + value).split('\n\n');
    rest = parts.pop();
    for (const part of parts) {
      const [name, data] = part.split('\n');
      state[name.slice('event: '.length)] = JSON.parse(data.slice('data: '.length));
    }
    if (parts.length) {
      state.heard = Date.now();
      state.waits = 0;
      draw();
    }
  }
}

function cut(why) {
  document.body.classList.remove('is-live');
  document.body.classList.add('is-cut');
  const since = state.now ? `; the numbers are from ${clock(state.now.at)} UTC` : '';
  say(byId('link-words'), `interrupted: ${why}${since}`);
  say(byId('link-clock'), '');
}

setInterval(() => {
  if (!state.heard || Date.now() - state.heard < SILENCE_MS) return;
  cut('no event for five seconds');
  if (Date.now() - state.heard > 3 * SILENCE_MS) {
    state.heard = Date.now();
    state.stop.abort();
  }
}, 1000);

function draw() {
  if (state.isDue) return;
  state.isDue = true;
  requestAnimationFrame(() => {
    state.isDue = false;
    if (!state.now || !state.hour) return;
    document.body.classList.remove('is-cut');
    document.body.classList.add('is-live');
    // Only what changes seldom is spoken by a screen reader.
    say(byId('link-words'), 'live');
    say(byId('link-clock'), `, ${clock(state.now.at)} UTC`);
    for (const show of [showVerdict, showFigures, showRoutes, showComparison, showSidecar, showBudgets, showControls]) show(state.now, state.hour);
    if (state.drawn !== state.hour) {
      state.drawn = state.hour;
      chart.show(state.hour);
      for (const show of [showCompared, showOutcomes, showLost]) show(state.hour);
    }
    if (state.examples) showExamples(state.examples);
  });
}

// --- what is shown ---

function showVerdict({verdict, status}) {
  const [first, ...more] = verdict.reasons;
  mark(byId('verdict'), 'data-level', verdict.level);
  say(byId('verdict-title'), verdict.title);
  say(byId('verdict-reason'), first.words);
  const rows = resize(byId('verdict-more'), more.length, () => {
    const row = element('li');
    row.append(element('span'), element('span'));
    return row;
  });
  more.forEach((reason, place) => {
    mark(rows[place], 'data-level', reason.level);
    say(rows[place].firstChild, reason.level_words);
    say(rows[place].lastChild, reason.words);
  });
  const title = `${verdict.title} · mirror · ${status.instance}`;
  if (document.title !== title) document.title = title;
}

function showFigures({verdict, status, latency, pairs, errors, rps_total: rps, shadow_rps: shadow}, hour) {
  const breakers = status.workers.map((worker) => worker.breaker).filter((name) => name !== 'closed');
  const lost = hour.lost_number;
  const figures = [
    ['Production', rate(rps), 'rps now', ''],
    ['Shadow', rate(shadow), `rps now, ratio ${status.ratio}`, ''],
    ['New errors', pairs ? percent(errors / pairs) : '–',
      pairs ? `${count(errors)} of ${count(pairs)} pairs, last hour` : 'no pair in the last hour', errors ? (verdict.level === 'unsafe' ? 'is-bad' : 'is-odd') : ''],
    ['Latency p99', latency.shadow ? milliseconds(latency.shadow.p99) : '–',
      latency.primary ? `shadow, last minute; production ${milliseconds(latency.primary.p99)}`
        : latency.shadow ? 'shadow, last minute; no pair then' : 'no answer in the last minute', ''],
    ['Breaker', breakers[0] || 'closed', breakers.length ? `${breakers.length} of ${status.workers.length} workers` : 'all workers', breakers.length ? 'is-bad' : ''],
    ['Lost', count(lost), 'shed, not compared or dropped, last hour', ''],
  ];
  const tiles = resize(byId('figures'), figures.length, () => {
    const tile = element('div');
    tile.append(element('dt'), element('dd'), element('dd', 'aside'));
    return tile;
  });
  figures.forEach(([name, value, aside, kind], place) => {
    mark(tiles[place], 'class', kind);
    [name, value, aside].forEach((text, part) => say(tiles[place].children[part], text));
  });
  say(byId('facts'), `${status.mode} · ${status.shadow} · ${status.version}`);
  say(byId('instance'), status.instance);
}

function showRoutes({rps, rps_total: total}, hour) {
  const number = (text, kind = '') => ({text, kind: `n ${kind}`});
  const pair = (one, other, name) => number(`${one ? milliseconds(one[name]) : '–'} · ${other ? milliseconds(other[name]) : '–'}`);
  const errors = ({errors: found, pairs}) => (found
    ? number(`${count(found)} (${percent(found / pairs)})`, 'is-bad') : number(pairs ? '0' : '–', 'is-zero'));
  const rows = hour.routes.map((route) => [
    route.route,
    number(rate(rps[route.route] ?? 0)),
    number(rate(route.hour_mean)),
    number(rate(route.hour_max)),
    {spark: route.mean, kind: 'spark'},
    number(count(route.pairs)),
    errors(route),
    pair(route.primary, route.shadow, 'p50'),
    pair(route.primary, route.shadow, 'p99'),
  ]);
  const further = hour.further_routes;
  if (further.number) {
    const shown = hour.routes.reduce((sum, route) => sum + (rps[route.route] ?? 0), 0);
    rows.push(Object.assign([
      `${count(further.number)} further routes`, number(rate(total - shown)), number(rate(further.hour_mean)), number('–'), '',
      number(count(further.pairs)), errors(further), number('–'), number('–'),
    ], {kind: 'sub'}));
  }
  fillTable(byId('routes'), rows);
  say(byId('routes-aside'), 'last hour; latencies since the start');
}

function showCompared(hour) {
  byId('compared').hidden = !hour.pairs;
  say(byId('compared-aside'), hour.pairs ? `${count(hour.pairs)} pairs in the last hour` : 'no pair of answers in the last hour; the verdict says why');
  const names = ['2xx', '3xx', '4xx', '5xx', 'none'];
  const head = byId('matrix').previousElementSibling.firstElementChild;
  resize(head, names.length + 1, () => Object.assign(element('th'), {scope: 'col'}));
  names.forEach((name, place) => say(head.children[place + 1], name === 'none' ? 'no answer' : name));
  say(head.firstElementChild.firstElementChild, 'production ↓ shadow →');
  fillTable(byId('matrix'), names.map((ours, row) => [
    ours === 'none' ? 'no answer' : ours,
    ...names.map((theirs, column) => {
      const number = hour.classes[`${ours}>${theirs}`] || 0;
      const isWorse = column > row && column > 1;
      const kind = row === column ? 'is-same' : !number ? '' : isWorse ? 'is-bad' : 'is-odd';
      return {text: number ? count(number) : '·', kind: `${kind} ${number ? '' : 'is-zero'}`};
    }),
  ]), true);
  const most = Math.max(1, ...hour.results.map((result) => result.number));
  fillTable(byId('results'), hour.results.map((result) => Object.assign([
    {text: result.title, meaning: result.is_new_error ? `${result.meaning} ${result.advice}` : result.meaning},
    {bar: result.number / most, kind: 'bar'},
    {text: count(result.number), kind: 'n'},
    {text: percent(result.number / hour.pairs), kind: 'n is-zero'},
  ], {kind: result.is_new_error ? 'is-bad-row' : ''})));
  const parts = largestFirst(hour.losses.uncompared).map(([name, number]) => `${name} ${count(number)}`);
  say(byId('uncompared'), parts.length ? `Not compared: ${parts.join(', ')}` : 'Every copy that ended was compared.');
}

// Since the start: what waits for its other side, and what came of production's access log.
function showComparison({status: {comparison}}) {
  const words = [];
  if (comparison) {
    words.push(`${count(comparison.waiting)} copies wait for production’s answer.`);
    if (comparison.shows_origin === false) {
      words.push('The shadow’s answers lack x-envoy-upstream-service-time, so a route that Envoy misses looks like a 404 of the application.');
    }
    const {log} = comparison;
    if (log) {
      const newest = log.newest_s === null ? 'none came yet' : `newest ${clock(log.newest_s)} UTC`;
      const lost = sum(log.lost);
      words.push(`Log ${log.source}: ${count(log.lines)} lines, ${count(log.matched)} met their copy, ${count(lost)} lost, ${newest}.`);
    }
  }
  say(byId('comparison'), words.join(' '));
}

function showExamples({examples, further, refused}) {
  byId('examples-table').hidden = !examples.length;
  say(byId('examples-aside'), refused || (examples.length ? `the newest first${further ? `; ${count(further)} more in /comparison` : ''}` : 'none so far'));
  fillTable(byId('examples'), examples.map((example) => {
    const more = [
      ...(example.location ? [`shadow redirects to ${example.location}`] : []),
      ...(example.request_id ? [`newest id ${example.request_id}`] : []),
    ];
    return [
      {text: example.request, meaning: more.join('; ')},
      example.title,
      {text: String(example.primary_status || 'none'), kind: 'n'},
      {text: String(example.shadow_status || 'none'), kind: 'n'},
      {text: count(example.count), kind: 'n'},
      {text: clock(example.last_s), kind: 'n'},
    ];
  }));
}

function showOutcomes(hour) {
  const outcomes = largestFirst(hour.outcomes);
  const total = sum(hour.outcomes) || 1;
  const isBad = (name) => !['2xx', '3xx', '4xx'].includes(name);
  fillTable(byId('outcomes'), outcomes.length ? outcomes.map(([name, number]) => Object.assign([
    name,
    {bar: number / total, kind: 'bar'},
    {text: count(number), kind: 'n'},
    {text: percent(number / total), kind: 'n is-zero'},
  ], {kind: isBad(name) ? 'is-bad-row' : ''})) : [['no leg has ended in the last hour']]);
}

function showLost(hour) {
  const rows = Object.entries(hour.losses).flatMap(([name, labels]) => largestFirst(labels).map(([label, number]) => [
    label ? `${name.replaceAll('.', ' ').replaceAll('_', ' ')}: ${label}` : name.replaceAll('.', ' ').replaceAll('_', ' '),
    {text: count(number), kind: 'n'},
  ]));
  fillTable(byId('lost'), rows.length ? rows : [['nothing']]);
}

function showBudgets({latency, budgets}) {
  const row = (name, part) => [name, ...(part ? [milliseconds(part.p50), milliseconds(part.p99), count(part.number)] : ['–', '–', '0']).map((text) => ({text, kind: 'n'}))];
  fillTable(byId('latency'), [row('production', latency.primary), row('shadow', latency.shadow)]);
  say(byId('latency-aside'), latency.of_pairs ? 'last minute, of compared pairs' : 'last minute, of all answers');
  fillTable(byId('budgets'), budgets.map(({name, used, most, is_bytes: isBytes}) => {
    const shown = isBytes ? bytes : count;
    return [
      name,
      most ? {bar: Math.min(1, used / most), kind: 'bar'} : {text: '', kind: 'bar'},
      {text: most ? `${shown(used)} of ${shown(most)}` : shown(used), kind: 'n'},
    ];
  }));
}

function showSidecar({status}) {
  fillTable(byId('workers'), status.workers.map((worker) => [
    `${worker.id} (pid ${worker.pid})`,
    worker.refused ? `refused: ${worker.refused}` : worker.retiring ? 'retiring' : worker.ready ? 'ready' : 'starting',
    {text: worker.breaker_cause ? `${worker.breaker}, last opened by: ${worker.breaker_cause}` : worker.breaker, kind: worker.breaker === 'closed' ? '' : 'is-bad'},
  ]));
  const parts = (sink) => Object.entries(sink).map(([name, value]) => `${name.replaceAll('_', ' ')} ${typeof value === 'number' ? count(value) : value}`);
  const sinks = Object.entries(status.sinks).map(([name, sink]) => [name, parts(sink).join(', ')]);
  fillTable(byId('sinks'), sinks.length ? sinks : [['none']]);
  say(byId('foot'), `pid ${status.pid}, listening on ${status.listen.join(', ')}; ${status.worker_restarts} workers were replaced, ${status.reload.reloaded} reloads`);
}

// --- controls ---

const reasons = {
  open: '',
  token: 'This port is bound to more than loopback: changes need the token.',
  closed: 'Read only: this port is bound to more than loopback, and neither admin_token_file nor admin_writes is set.',
};

function showControls({status}) {
  const may = controls === 'open' || (controls === 'token' && state.token !== '');
  byId('token-form').hidden = controls !== 'token';
  say(byId('controls-aside'), may ? '' : reasons[controls]);
  for (const each of byId('controls').querySelectorAll('input, button')) each.disabled = !may;
  say(byId('ratio-now'), `in force: ${status.ratio}; until the next reload or start`);
  const {ramp, capture} = status;
  byId('ramp-hold').disabled = !may || !ramp;
  let words = 'no ramp is active';
  if (ramp) words = `${ramp.at_top ? 'at its top' : ramp.holding ? 'holding after a fall' : 'rising'}${ramp.last_fall ? `; last fell by ${ramp.last_fall}` : ''}`;
  say(byId('ramp-now'), words);
  for (const each of byId('capture-form').querySelectorAll('input, button')) each.disabled = !may || !capture;
  let recording = 'capture.path is not set';
  if (capture) recording = capture.recording ? `recording to ${capture.path}${capture.until ? ` until ${clock(capture.until)} UTC` : ''}` : 'not recording';
  say(byId('capture-now'), recording);
}

async function change(path, body, done) {
  const answer = byId('answer');
  say(answer, 'asking …');
  try {
    const response = await fetch(path, {
      method: 'POST', headers: fields({'Content-Type': 'application/json'}), body: JSON.stringify(body), cache: 'no-store',
    });
    const got = await response.json();
    say(answer, response.ok ? done(got) : `Not changed: ${got.error}`);
  } catch {
    say(answer, 'Not changed: the sidecar does not answer.');
  }
}

function setRatio(ratio) {
  const more = ({ended_ramp: ended}) => (ended ? ' The ramp has ended until the next reload or start.' : '');
  return change('ratio', {ratio}, (got) => `The ratio was ${got.was} and is ${got.ratio}.${more(got)}`);
}

function number(input) {
  return input.value.trim() === '' ? null : Number(input.value.trim().replace(',', '.'));
}

byId('ratio-form').addEventListener('submit', (event) => {
  event.preventDefault();
  setRatio(number(byId('ratio')));
});
byId('ratio-stop').addEventListener('click', () => setRatio(0));
byId('ramp-hold').addEventListener('click', () => setRatio(state.now.status.ratio));

function capture(seconds) {
  return change('capture', {for_s: seconds}, (got) => (got.until ? `Captures to ${got.path} until ${clock(got.until)} UTC.` : 'The capture has ended.'));
}
byId('capture-form').addEventListener('submit', (event) => {
  event.preventDefault();
  capture(number(byId('capture')) * 60);
});
byId('capture-stop').addEventListener('click', () => capture(0));

byId('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  state.token = byId('token').value;
  byId('token').value = '';
  // With the token the stream may have examples, too.
  state.isAsked = true;
  state.waits = 0;
  state.stop.abort();
});

listen();
