'use strict';
// Drawing: text, tables and charts. Nothing here reads HTML from a value: all text becomes a text
// node. What is already there is changed in place and only where it differs, so that nothing
// flickers and a selection stays.

const SVG = 'http://www.w3.org/2000/svg';
const byId = (id) => document.getElementById(id);

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function mark(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// Give `parent` exactly `number` children, made by `make`.
function resize(parent, number, make) {
  while (parent.children.length > number) parent.lastElementChild.remove();
  while (parent.children.length < number) parent.append(make());
  return [...parent.children];
}

function element(tag, className) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  return made;
}

// A cell is a text, or an object with text, kind (class), bar (0 to 1), title and meaning, or spark.
function fillCell(cell, value) {
  const content = typeof value === 'object' ? value : {text: value};
  mark(cell, 'class', content.kind || '');
  if (content.bar !== undefined) {
    if (!cell.querySelector('.fill')) {
      const track = element('span', 'track');
      track.append(element('span', 'fill'));
      cell.replaceChildren(track);
    }
    cell.querySelector('.fill').style.width = `${Math.round(content.bar * 1000) / 10}%`;
  } else if (content.meaning !== undefined) {
    if (!cell.querySelector('.meaning')) {
      cell.replaceChildren(element('span', 'title'), element('span', 'meaning'));
    }
    say(cell.firstChild, content.text);
    say(cell.lastChild, content.meaning);
  } else if (content.spark !== undefined) {
    drawSpark(cell, content.spark);
  } else {
    if (cell.firstElementChild) cell.replaceChildren();
    say(cell, content.text);
  }
}

// Rows are lists of cells; `heads` says that the first cell of each row is its heading.
function fillTable(body, rows, heads = false) {
  const present = resize(body, rows.length, () => document.createElement('tr'));
  rows.forEach((cells, place) => {
    const row = present[place];
    mark(row, 'class', cells.kind || '');
    while (row.children.length > cells.length) row.lastElementChild.remove();
    cells.forEach((value, column) => {
      if (!row.children[column]) {
        const cell = element(heads && column === 0 ? 'th' : 'td');
        if (heads && column === 0) cell.scope = 'row';
        row.append(cell);
      }
      fillCell(row.children[column], value);
    });
  });
}

function svg(tag, attributes, parent) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (parent) parent.append(made);
  return made;
}

// The `d` of a line through the values that are numbers, broken where one is missing.
function line(values, x, y) {
  let path = '';
  let isDrawing = false;
  values.forEach((value, place) => {
    if (value === null) {
      isDrawing = false;
      return;
    }
    const before = values[place - 1] ?? null;
    const after = values[place + 1] ?? null;
    path += `${isDrawing ? 'L' : 'M'}${x(place).toFixed(1)} ${y(value).toFixed(1)}`;
    // A value between two gaps is a short stroke, because a path of one point is invisible.
    if (before === null && after === null) path += 'h1';
    isDrawing = true;
  });
  return path;
}

function drawSpark(cell, values) {
  const width = 132;
  const height = 24;
  let path = cell.querySelector('path');
  if (!path) {
    const drawing = svg('svg', {viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true'});
    path = svg('path', {}, drawing);
    cell.replaceChildren(drawing);
  }
  values = values.slice(firstShown(values, 10));
  const highest = Math.max(1e-9, ...values.filter((value) => value !== null));
  const x = (place) => 1 + (place / (values.length - 1)) * (width - 3);
  const y = (value) => height - 2 - (value / highest) * (height - 4);
  mark(path, 'd', line(values, x, y));
}

// Where a chart begins: at the first value, or `least` places before the end.
function firstShown(values, least) {
  const first = values.findIndex((value) => value !== null);
  return first < 0 ? values.length - least : Math.min(first, values.length - least);
}

// The next of 1, 2, 2.5 and 5 times a power of ten that is not below `value`.
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999999);
}

// The chart of the hour; it knows its last data, so that it can be drawn for another width.
class Chart {
  constructor(holder, reading) {
    this.holder = holder;
    this.reading = reading;
    this.data = null;
    this.place = null;
    this.drawing = svg('svg', {'aria-hidden': 'true'}, holder);
    new ResizeObserver(() => this.draw()).observe(holder);
    holder.addEventListener('pointermove', (event) => this.point(event));
    holder.addEventListener('pointerleave', () => this.read(null));
    holder.addEventListener('blur', () => this.read(null));
    holder.addEventListener('keydown', (event) => this.press(event));
  }

  show(data) {
    this.data = data;
    this.draw();
  }

  draw() {
    const {data, holder, drawing} = this;
    if (!data || !holder.clientWidth) return;
    const width = holder.clientWidth;
    const height = holder.clientHeight;
    const number = data.total.mean.length;
    const known = [...data.total.max, ...data.shadow.mean].filter((value) => value !== null);
    const step = roundUp(Math.max(4, ...known) / 4);
    const top = step * Math.ceil(Math.max(4, ...known) / step);
    const left = 8 + 7 * Math.max(...[step, top].map((value) => rate(value).length));
    const right = width - 2;
    const bottom = height - 22;
    this.from = firstShown(data.total.mean, 60);
    this.x = (place) => left + ((place - this.from) / (number - 1 - this.from)) * (right - left);
    const y = (value) => bottom - (value / top) * (bottom - 8);
    mark(drawing, 'viewBox', `0 0 ${width} ${height}`);
    drawing.replaceChildren();
    for (let value = 0; value <= top * 1.0001; value += step) {
      svg('line', {class: 'grid', x1: left, x2: right, y1: y(value), y2: y(value)}, drawing);
      const label = svg('text', {class: 'axis', x: left - 8, y: y(value) + 4, 'text-anchor': 'end'}, drawing);
      label.textContent = rate(value);
    }
    const shown = (number - this.from) * data.slot_s;
    const every = [60, 120, 300, 600, 1200].find((step) => shown / step <= (width < 560 ? 3 : 7));
    for (let at = Math.ceil((data.end - shown) / every) * every; at < data.end; at += every) {
      const place = (at - data.end) / data.slot_s + number - 1;
      const label = svg('text', {class: 'axis', x: this.x(place), y: height - 5, 'text-anchor': 'middle'}, drawing);
      if (this.x(place) < left + 20 || this.x(place) > right - 16) continue;
      label.textContent = clock(at).slice(0, 5);
    }
    const means = data.total.mean;
    for (const part of runs(means)) {
      const points = part.map((place) => `${this.x(place).toFixed(1)} ${y(means[place]).toFixed(1)}`);
      const ends = [this.x(part[0]), this.x(part[part.length - 1])].map((each) => each.toFixed(1));
      svg('path', {class: 'area', d: `M${ends[0]} ${bottom}L${points.join('L')}L${ends[1]} ${bottom}z`}, drawing);
    }
    svg('path', {class: 'peak', d: line(data.total.max, this.x, y)}, drawing);
    svg('path', {class: 'production', d: line(means, this.x, y)}, drawing);
    svg('path', {class: 'shadow', d: line(data.shadow.mean, this.x, y)}, drawing);
    this.cursor = svg('line', {class: 'cursor', x1: 0, x2: 0, y1: 8, y2: bottom}, drawing);
    this.read(this.place);
  }

  point(event) {
    if (!this.data || !this.x) return;
    const last = this.data.total.mean.length - 1;
    const begin = this.x(this.from);
    const offset = event.clientX - this.holder.getBoundingClientRect().left - begin;
    const place = this.from + Math.round((offset / (this.x(last) - begin)) * (last - this.from));
    this.read(Math.min(last, Math.max(this.from, place)));
  }

  press(event) {
    if (!this.data) return;
    const last = this.data.total.mean.length - 1;
    const place = this.place ?? last;
    const steps = {ArrowLeft: place - 1, ArrowRight: place + 1, PageDown: place - 30, PageUp: place + 30, Home: this.from, End: last};
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.read(Math.min(last, Math.max(this.from, steps[event.key])));
  }

  // Say in words what is drawn at one place; without a place, what the hour was.
  read(place) {
    if (!this.data || !this.cursor) return;
    this.place = place;
    const {total, shadow, end, slot_s: slot} = this.data;
    this.cursor.style.visibility = place === null ? '' : 'visible';
    let words = total.hour_mean === null ? 'no complete second yet'
      : `mean ${rate(total.hour_mean)} rps, highest second ${rate(total.hour_max)}; shadow mean ${rate(shadow.hour_mean)} rps`;
    if (place !== null) {
      for (const name of ['x1', 'x2']) mark(this.cursor, name, this.x(place).toFixed(1));
      const at = end - (total.mean.length - place) * slot;
      const values = total.mean[place] === null ? 'no complete second'
        : `production ${rate(total.mean[place])} rps, highest second ${rate(total.max[place])}; shadow ${rate(shadow.mean[place])} rps`;
      words = `${clock(at)} to ${clock(at + slot)} UTC: ${values}`;
      mark(this.holder, 'aria-valuenow', String(place));
      mark(this.holder, 'aria-valuemin', String(this.from));
    }
    mark(this.holder, 'aria-valuetext', words);
    say(this.reading, words);
  }
}

// The places of values that are no gap, in unbroken runs.
function runs(values) {
  const found = [];
  values.forEach((value, place) => {
    if (value === null) return;
    if (place > 0 && values[place - 1] !== null && found.length) found[found.length - 1].push(place);
    else found.push([place]);
  });
  return found;
}

const whole = new Intl.NumberFormat('en', {maximumFractionDigits: 0});
const tenths = new Intl.NumberFormat('en', {maximumFractionDigits: 1});

function rate(value) {
  if (value === null || value === undefined) return '–';
  return (value < 10 ? tenths : whole).format(value);
}

function count(value) {
  return whole.format(value);
}

// A share of 0 to 1 as percent with three digits; never 0 % or 100 % for anything else.
function percent(share) {
  if (share === 0 || share === 1) return `${share * 100} %`;
  if (share > 0.9995) return 'over 99.9 %';
  return `${Number((share * 100).toPrecision(share < 0.0001 ? 1 : 3))} %`;
}

function milliseconds(value) {
  if (value < 10) return `${value.toFixed(1)} ms`;
  return value < 10000 ? `${whole.format(value)} ms` : `${tenths.format(value / 1000)} s`;
}

function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let place = 0;
  while (value >= 1024 && place < units.length - 1) {
    value /= 1024;
    place += 1;
  }
  return `${tenths.format(value)} ${units[place]}`;
}

function clock(second) {
  return new Date(second * 1000).toISOString().slice(11, 19);
}

function sum(counts) {
  return Object.values(counts).reduce((total, number) => total + number, 0);
}

function largestFirst(counts) {
  return Object.entries(counts).sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1));
}
