import { TimeChart } from './chart.ts'
import { empty, h, setText } from './dom.ts'
import { ago, bytes, hexDump, number, rate, time } from './format.ts'
import { stateOf } from './model.ts'
import { alarmCard } from './overview.ts'
import type { PageMaker } from './page.ts'

/** A record as the API's stream gives it. */
interface Item {
  readonly seq: number
  readonly time_ms: number
  readonly value_base64: string | null
  readonly headers: Readonly<Record<string, string>>
}

interface Seen extends Item {
  readonly bytes: Uint8Array
  readonly text: string
  readonly fields: Readonly<Record<string, unknown>> | undefined
}

/** Records that the page holds: the chart's, and of these the last few as a table. */
const RECORDS_MAX = 600
const ROWS_MAX = 25
/** Lines in one chart that can still be told apart. */
const LINES_MAX = 5

/** One source: where it stands, what it says now, as decoded record and as bytes. */
export const sourcePage: PageMaker = ({ model, session, args }) => {
  const [gateway = '', source = ''] = args
  const key = `${gateway}/${source}`
  const facts = h('dl', { class: 'facts' })
  const alarms = h('section', { class: 'page', 'aria-label': 'Alarms of this source' })
  const values = new Map<string, HTMLElement>()
  const fact = (label: string, text: string) => {
    const known = values.get(label)
    if (known) return setText(known, text)
    const value = h('dd', {}, text)
    values.set(label, value)
    facts.append(h('div', {}, h('dt', {}, label), value))
  }
  const records = new Records(key, session.sides.includes('core'))
  const node = h(
    'div',
    { class: 'page' },
    h('h1', {}, key),
    alarms,
    h('section', { class: 'card', 'aria-label': 'Where it stands' }, facts),
    records.node,
  )
  return {
    title: key,
    node,
    update() {
      const view = model.sources.get(key)
      if (!view) return fact('State', 'not known here')
      const { edge, core } = view
      const own = model.alarms.filter(alarm => alarm.source === key || alarm.source === source)
      alarms.hidden = own.length === 0
      alarms.replaceChildren(...own.map(alarmCard))
      fact('State', [stateOf(view).text, edge?.reason].filter(Boolean).join(': '))
      fact('Rate', rate(view.perSecond))
      fact('Next sequence and offset', number(core?.next ?? edge?.settled))
      fact(
        'Partition',
        core
          ? `${core.topic}[${core.partition}], from ${number(core.first)} on`
          : edge
            ? `${edge.topic}[${edge.partition ?? '–'}]`
            : '–',
      )
      if (edge) {
        fact('Read since the start', number(edge.read))
        fact('Buffered', `${number(edge.buffered.records)} records, ${bytes(edge.buffered.bytes)}`)
        fact(
          'Oldest buffered',
          edge.buffered.oldest === null ? 'nothing waits' : ago(Date.parse(edge.buffered.oldest), model.timeMs),
        )
        fact('Dropped (declared as gaps)', number(edge.dropped))
        fact('Undecoded', number(edge.decode_errors))
        fact('Link', model.edge ? `${model.edge.link.state}${model.edge.link.peer ? ` with ${model.edge.link.peer}` : ''}` : '–')
      }
      fact('Gaps in what is shown', number(records.gaps))
      records.draw()
    },
    leave: () => records.end(),
  }
}

class Records {
  readonly node = h('div', { class: 'page' })
  readonly #events: EventSource | undefined
  readonly #seen: Seen[] = []
  readonly #chartNode = h('div', { class: 'chart', role: 'img', 'aria-label': 'Values over time' })
  readonly #decoded = h('pre', { tabindex: 0, 'aria-label': 'Decoded record' })
  readonly #raw = h('pre', { tabindex: 0, 'aria-label': 'Bytes of the record' })
  readonly #body = h('tbody')
  readonly #said = h('p', { role: 'status', class: 'soft' }, 'Waiting for its next record.')
  #chart: TimeChart | undefined
  #lines: readonly string[] = []
  #drawn = -1
  gaps = 0

  constructor(key: string, hasCore: boolean) {
    if (!hasCore) {
      this.node.append(
        h(
          'div',
          { class: 'card' },
          empty('Records are shown by the core', 'This console is the gateway’s: it knows what waits and what is on its way.'),
        ),
      )
      return
    }
    const heads = ['Sequence', 'Time (UTC)', 'Value', 'Headers']
    this.node.append(
      h('section', { class: 'card' }, h('h2', {}, 'Values'), this.#said, this.#chartNode),
      h(
        'div',
        { class: 'two' },
        h('section', { class: 'card' }, h('h2', {}, 'Latest record, decoded'), this.#decoded),
        h('section', { class: 'card' }, h('h2', {}, 'Latest record, bytes'), this.#raw),
      ),
      h(
        'section',
        { class: 'card' },
        h('h2', {}, 'Latest records'),
        h(
          'div',
          { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Latest records' },
          h(
            'table',
            {},
            h(
              'thead',
              {},
              h('tr', {}, ...heads.map(text => h('th', { scope: 'col', class: text === 'Sequence' ? 'number' : '' }, text))),
            ),
            this.#body,
          ),
        ),
      ),
    )
    this.#events = new EventSource(`/api/core/tail?last=200&source=${encodeURIComponent(key)}`)
    this.#events.addEventListener('item', event => this.#take(JSON.parse((event as MessageEvent<string>).data) as Item))
    this.#events.addEventListener('trouble', event =>
      setText(this.#said, (JSON.parse((event as MessageEvent<string>).data) as { message: string }).message),
    )
  }

  end(): void {
    this.#events?.close()
    this.#chart?.end()
  }

  /** At most once a second, however fast records come. */
  draw(): void {
    const last = this.#seen.at(-1)
    if (!last || last.seq === this.#drawn) return
    this.#drawn = last.seq
    setText(this.#said, `Record ${number(last.seq)} at ${time(last.time_ms)} UTC`)
    setText(this.#decoded, last.fields ? JSON.stringify(last.fields, null, 2) : last.text)
    setText(this.#raw, last.value_base64 === null ? 'no value: a placeholder' : hexDump(last.bytes))
    this.#body.replaceChildren(...this.#seen.slice(-ROWS_MAX).toReversed().map(rowOf))
    this.#drawChart()
  }

  #take(item: Item): void {
    const seen = this.#seen
    // A stream that comes again begins before its end.
    if (item.seq <= (seen.at(-1)?.seq ?? -1)) return
    const value = Uint8Array.from(atob(item.value_base64 ?? ''), char => char.charCodeAt(0))
    const text = new TextDecoder().decode(value)
    if (item.headers['gap'] !== undefined) this.gaps += 1
    seen.push({ ...item, bytes: value, text, fields: fieldsOf(text) })
    if (seen.length > RECORDS_MAX) seen.shift()
  }

  #drawChart(): void {
    const names = [
      ...new Set(
        this.#seen.flatMap(({ fields }) =>
          Object.entries(fields ?? {}).flatMap(([name, value]) => (typeof value === 'number' ? [name] : [])),
        ),
      ),
    ].slice(0, LINES_MAX)
    if (names.length === 0) return
    if (names.join() !== this.#lines.join()) {
      this.#chart?.end()
      this.#chartNode.replaceChildren()
      this.#chart = new TimeChart(this.#chartNode, names)
      this.#lines = names
    }
    const numberAt = (name: string) => this.#seen.map(({ fields }) => (typeof fields?.[name] === 'number' ? fields[name] : null))
    this.#chart?.set(
      this.#seen.map(({ time_ms }) => time_ms),
      names.map(numberAt),
    )
  }
}

function rowOf({ seq, time_ms, text, value_base64, headers }: Seen): HTMLElement {
  const own = Object.entries(headers).filter(([name]) => name !== 'seq')
  return h(
    'tr',
    { class: 'row' },
    h('td', { class: 'number' }, number(seq)),
    h('td', {}, time(time_ms)),
    h('td', { class: 'wrap mono' }, value_base64 === null ? 'placeholder' : text.slice(0, 300)),
    h('td', { class: 'wrap mono' }, own.map(([name, value]) => `${name}: ${value}`).join('\n')),
  )
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
}
