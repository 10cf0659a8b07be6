'use strict'

// --- the timeline: {lanes, kinds, texts, events}; an event is [start, length, row, lane, kind, text], times in microseconds

const data = JSON.parse(document.getElementById('data').textContent)
const HINT = 'Choose an event to read what it was.'
const ROW = 20, AXIS = 24, MARGIN = 6

function duration(us) {
  if (us >= 3.6e9) return `${Math.floor(us / 3.6e9)} h ${Math.floor(us / 6e7) % 60} min`
  if (us >= 6e7) return `${Math.floor(us / 6e7)} min ${Math.floor(us / 1e6) % 60} s`
  if (us >= 1e6) return `${(us / 1e6).toFixed(2)} s`
  return us >= 1e4 ? `${(us / 1e3).toFixed(0)} ms` : us >= 1e3 ? `${(us / 1e3).toFixed(1)} ms` : `${us.toFixed(0)} µs`
}

function timeline(canvas) {
  const about = document.getElementById('about'), pen = canvas.getContext('2d'), events = data.events
  const rows = data.lanes.map((_, lane) => 1 + events.reduce((most, event) => event[3] === lane ? Math.max(most, event[2]) : most, 0))
  const tops = rows.map((_, lane) => AXIS + rows.slice(0, lane).reduce((sum, many) => sum + many * ROW + MARGIN + ROW, 0) + (rows.length > 1 ? ROW : 0))
  const height = tops.at(-1) + rows.at(-1) * ROW + MARGIN
  const end = Math.max(1, events.reduce((last, event) => Math.max(last, event[0] + event[1]), 0))
  let from = 0, to = end, width = 0, wanted = '', chosen = -1, asked = false

  const at = time => (time - from) / (to - from) * width
  const top = event => tops[event[3]] + event[2] * ROW

  function draw() {
    asked = false
    const style = getComputedStyle(document.documentElement), colour = name => style.getPropertyValue(`--${name}`).trim()
    const ratio = window.devicePixelRatio || 1
    width = canvas.clientWidth
    canvas.style.height = `${height}px`
    canvas.width = Math.round(width * ratio)
    canvas.height = Math.round(height * ratio)
    pen.setTransform(ratio, 0, 0, ratio, 0, 0)
    pen.font = '12px system-ui, sans-serif'
    pen.textBaseline = 'middle'
    axis(colour)
    const colours = data.kinds.map(colour), filled = new Map()
    events.forEach((event, index) => {
      const left = Math.max(at(event[0]), -1), right = Math.min(at(event[0] + event[1]), width + 1)
      if (right < 0 || left > width) return
      const place = top(event), long = Math.max(right - left, 1)
      if (long < 1.5 && filled.get(place) >= left + long - 0.5 && index !== chosen) return  // what is too small is drawn as one
      filled.set(place, left + long)
      const text = data.texts[event[5]]
      pen.globalAlpha = wanted && !text.toLowerCase().includes(wanted) ? 0.15 : 1
      pen.fillStyle = colours[event[4]]
      pen.fillRect(left, place, Math.max(long - 0.5, 1), ROW - 2)
      if (index === chosen) {
        pen.strokeStyle = colour('ink')
        pen.lineWidth = 2
        pen.strokeRect(left, place, Math.max(long - 1, 2), ROW - 2)
      }
      if (long > 28) label(text, Math.max(left, 0) + 4, place + ROW / 2 - 1, Math.min(right, width) - Math.max(left, 0) - 8, colour('on-bar'))
    })
    pen.globalAlpha = 1
    if (data.lanes.length > 1) data.lanes.forEach((name, lane) => label(name, 4, tops[lane] - ROW / 2, width - 8, colour('quiet')))
  }

  function label(text, x, y, room, colour) {
    const fits = Math.floor(room / 6.2)
    if (fits < 3) return
    pen.fillStyle = colour
    pen.fillText(text.length > fits ? `${text.slice(0, fits - 1)}…` : text, x, y, room)
  }

  function axis(colour) {
    const rough = (to - from) / Math.max(2, width / 110), power = 10 ** Math.floor(Math.log10(rough))
    const even = [1, 2, 5, 10].map(times => times * power)
    const step = (rough > 3e7 ? [1, 2, 5, 10, 30, 60, 120, 360, 720, 1440].map(minutes => minutes * 6e7).concat(even) : even).find(size => size >= rough)
    for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
      const x = Math.round(at(time)) + 0.5
      pen.strokeStyle = colour('line')
      pen.lineWidth = 1
      pen.beginPath()
      pen.moveTo(x, 0)
      pen.lineTo(x, height)
      pen.stroke()
      pen.fillStyle = colour('quiet')
      if (x < width - 50) pen.fillText(ticks(time, step), x + 4, AXIS / 2)
    }
  }

  function ticks(time, step) {
    if (step >= 6e7) return time === 0 ? '0' : duration(time)
    const [unit, name] = to >= 1e6 && step >= 1e4 ? [1e6, 's'] : step >= 10 ? [1e3, 'ms'] : [1, 'µs']
    return `${(time / unit).toFixed(Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9)))} ${name}`
  }

  function redraw() {
    if (!asked) requestAnimationFrame(draw)
    asked = true
  }

  function show(start, stop) {
    const long = Math.min(Math.max(stop - start, 5), end)
    from = Math.min(Math.max(start, 0), end - long)
    to = from + long
    redraw()
  }

  const zoom = (factor, middle = (from + to) / 2) => show(middle - (middle - from) * factor, middle + (to - middle) * factor)
  const pan = share => show(from + (to - from) * share, to + (to - from) * share)

  function find(pointer) {
    const box = canvas.getBoundingClientRect(), x = pointer.clientX - box.left, y = pointer.clientY - box.top
    let best = -1, near = 4
    events.forEach((event, index) => {
      if (y < top(event) || y >= top(event) + ROW) return
      const left = at(event[0]), right = Math.max(at(event[0] + event[1]), left + 1)
      const away = x < left ? left - x : x > right ? x - right : 0
      if (away < near || (away === 0 && near === 0 && event[1] < events[best][1])) [best, near] = [index, away]
    })
    return best
  }

  function choose(index) {
    chosen = index
    const event = events[index]
    about.textContent = index < 0 ? HINT : `${data.texts[event[5]]} · ${duration(event[1])}, from ${duration(event[0])} on`
    redraw()
  }

  let grip = null
  canvas.addEventListener('pointerdown', event => {
    grip = {x: event.clientX, from, to, moved: false}
    canvas.setPointerCapture(event.pointerId)
  })
  canvas.addEventListener('pointermove', event => {
    if (!grip) return
    const moved = event.clientX - grip.x, by = moved / width * (grip.to - grip.from)
    grip.moved ||= Math.abs(moved) > 4
    if (grip.moved) show(grip.from - by, grip.to - by)
  })
  canvas.addEventListener('pointerup', event => {
    if (grip && !grip.moved) choose(find(event))
    grip = null
  })
  canvas.addEventListener('pointercancel', () => { grip = null })
  canvas.addEventListener('dblclick', event => {
    const hit = events[find(event)]
    if (hit) show(hit[0] - hit[1] * 0.05, hit[0] + hit[1] * 1.05)
  })
  canvas.addEventListener('wheel', event => {
    if (!event.ctrlKey && !event.metaKey) return
    event.preventDefault()
    zoom(event.deltaY > 0 ? 1.25 : 0.8, from + (event.clientX - canvas.getBoundingClientRect().left) / width * (to - from))
  }, {passive: false})
  const keys = {'+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), '0': () => show(0, end), ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2)}
  canvas.addEventListener('keydown', event => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    keys[event.key]()
  })
  for (const button of document.querySelectorAll('[data-key]')) button.addEventListener('click', () => keys[button.dataset.key]())
  window.addEventListener('resize', redraw)
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw)
  choose(-1)
  return text => { wanted = text; redraw() }
}

const canvas = document.querySelector('canvas')
const dim = canvas ? timeline(canvas) : () => {}

// --- the filter: rows that hold the text, with all that is inside them and all that they are inside of

function filter(text) {
  const matches = document.getElementById('matches')
  let found = 0
  const keep = (item, inherited) => {
    const row = item.querySelector(':scope > .row, :scope > details > summary, :scope > .leaf')
    const hit = text !== '' && row.textContent.toLowerCase().includes(text)
    if (hit) found += 1
    let inside = false
    for (const child of item.querySelectorAll(':scope > details > ul > li')) inside = keep(child, inherited || hit) || inside
    item.hidden = text !== '' && !(hit || inside || inherited)
    const fold = item.querySelector(':scope > details')
    if (fold && text !== '' && inside) fold.open = true
    return hit || inside
  }
  for (const item of document.querySelectorAll('ul.layers > li, ul.story > li')) keep(item, false)
  matches.textContent = text === '' ? '' : `${found} found`
  dim(text)
}

const box = document.getElementById('filter')
for (const part of document.querySelectorAll('.filter, .tools')) part.hidden = false
box.addEventListener('input', () => filter(box.value.trim().toLowerCase()))
for (const button of document.querySelectorAll('[data-fold]')) {
  button.addEventListener('click', () => {
    const story = document.querySelectorAll('ul.story details')
    for (const part of story) part.open = button.dataset.fold === 'open'
  })
}
