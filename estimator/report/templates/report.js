"use strict";
// Shows the drawn values at a pointer, a touch or an arrow key. The charts are complete without this
// script. It only ever sets text and never markup, because names come from the files of users.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const number = (value) =>
    value === null ? "no data" : value.toLocaleString("en-GB", { maximumFractionDigits: value < 10 ? 3 : 1 });
  const instant = (second) => new Date(second * 1000).toISOString().replace("T", " ").slice(0, 19);

  const wordsOf = (line, at, unit) => {
    const value = line.value[at];
    if (value === null) return `${line.name}: no data`;
    const range = line.low && line.low.length ? ` (${number(line.low[at])} to ${number(line.high[at])})` : "";
    return `${line.name}: ${number(value)} ${unit}${range}`;
  };

  const whenOf = (data, at) => {
    if (data.kind === "curve") return `${number(data.at[at])} rps per replica`;
    const from = data.start + at * data.bin;
    const [start, end] = [instant(from), instant(from + data.bin)];
    return `${start} to ${end.slice(0, 10) === start.slice(0, 10) ? end.slice(11) : end} UTC`;
  };

  const columnsOf = (data) => (data.kind === "curve" ? data.at : data.lines[0].value).length;
  // A chart is drawn for a desk and for a phone; each drawing says where its plot lies.
  const side = (svg, name) => Number(svg.dataset[name]);
  const xOf = (svg, data, at) => {
    const share = data.kind === "curve" ? data.at[at] / data.widest : (at + 0.5) / columnsOf(data);
    return side(svg, "left") + share * (side(svg, "right") - side(svg, "left"));
  };
  const yOf = (data, value) => data.bottom - (value / data.most) * (data.bottom - data.top);

  const nearest = (svg, data, wanted) => {
    let [low, high] = [0, columnsOf(data) - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (xOf(svg, data, middle) < wanted) low = middle + 1;
      else high = middle;
    }
    return low > 0 && wanted - xOf(svg, data, low - 1) <= xOf(svg, data, low) - wanted ? low - 1 : low;
  };

  const attach = (plot, svg) => {
    const data = JSON.parse(document.getElementById(plot.dataset.chart).textContent);
    const isShown = () => svg.getClientRects().length > 0;
    const tip = plot.querySelector(".tip");
    const reader = plot.querySelector(".reader");
    const cursor = svg.querySelector(".cursor");
    const dots = data.lines.map((line) => {
      const dot = document.createElementNS(SVG, "circle");
      dot.setAttribute("r", "4");
      dot.setAttribute("class", `line ${line.css}`);
      dot.setAttribute("pointer-events", "none");
      dot.setAttribute("visibility", "hidden");
      svg.append(dot);
      return dot;
    });
    const hide = () => {
      tip.hidden = true;
      for (const drawn of [cursor, ...dots]) drawn.setAttribute("visibility", "hidden");
    };
    const place = (text, viewX) => {
      tip.textContent = text;
      tip.hidden = false;
      const wide = svg.clientWidth || svg.getBoundingClientRect().width;
      const at = (viewX / svg.viewBox.baseVal.width) * wide;
      const left = at + 14 + tip.offsetWidth > wide ? at - 14 - tip.offsetWidth : at + 14;
      tip.style.left = `${Math.max(0, left)}px`;
      tip.style.top = "1.6rem";
    };
    const show = (at) => {
      if (!isShown()) return;
      const x = xOf(svg, data, at);
      const text = [whenOf(data, at), ...data.lines.map((line) => wordsOf(line, at, data.unit))].join("\n");
      for (const edge of ["x1", "x2"]) cursor.setAttribute(edge, x);
      cursor.setAttribute("visibility", "visible");
      data.lines.forEach((line, index) => {
        const value = line.value[at];
        dots[index].setAttribute("visibility", value === null ? "hidden" : "visible");
        dots[index].setAttribute("cx", x);
        dots[index].setAttribute("cy", value === null ? 0 : yOf(data, value));
      });
      place(text, x);
      reader.value = at;
      reader.setAttribute("aria-valuetext", text);
    };
    const viewX = (event) => {
      const box = svg.getBoundingClientRect();
      return ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    };
    const marks = [...svg.querySelectorAll(".mark")];
    const showMark = (mark) => {
      hide();
      place(mark.getAttribute("aria-label"), Number(mark.querySelector(".dot").getAttribute("cx")));
    };
    const point = (event) => {
      const mark = event.target.closest(".mark");
      if (mark) showMark(mark);
      else show(nearest(svg, data, viewX(event)));
    };
    svg.addEventListener("pointermove", point);
    svg.addEventListener("pointerdown", point);
    svg.addEventListener("pointerleave", hide);
    for (const mark of marks) {
      mark.addEventListener("focus", () => showMark(mark));
      mark.addEventListener("blur", hide);
    }
    reader.addEventListener("input", () => show(Number(reader.value)));
    reader.addEventListener("focus", () => show(Number(reader.value)));
    reader.addEventListener("blur", hide);
    document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  };

  for (const plot of document.querySelectorAll(".plot")) {
    for (const svg of plot.querySelectorAll("svg")) attach(plot, svg);
  }

  // A link of the contents opens the section that it leads to.
  const open = () => {
    const section = document.getElementById(location.hash.slice(1));
    const folded = section && section.querySelector(":scope > details.folded");
    if (folded) folded.open = true;
  };
  addEventListener("hashchange", open);
  open();

  // Open every section before printing, because paper cannot be unfolded.
  const opened = [];
  addEventListener("beforeprint", () => {
    for (const closed of document.querySelectorAll("details:not([open]):not(.as-table)")) {
      closed.open = true;
      opened.push(closed);
    }
  });
  addEventListener("afterprint", () => {
    for (const details of opened.splice(0)) details.open = false;
  });
})();
