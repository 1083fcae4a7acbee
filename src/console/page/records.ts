import { TimeChart } from './chart.ts'
import { empty, h, setText } from './dom.ts'
import { hexDump, number, time } from './format.ts'
import { RowTable } from './row-table.ts'
import { type RecordItem, SeenRecord } from './seen-record.ts'
import { Stream } from './stream.ts'

/** Records that the page holds: the chart's, and of these the last few as a table. */
const RECORDS_MAX = 600
const ROWS_MAX = 25
/** Lines in one chart that can still be told apart. */
const LINES_MAX = 5
const TEXT_SHOWN_MAX = 300
/** Headers by which a record says that something is missing, or could not be read. */
const HEADERS_OF_TROUBLE = ['gap', 'decode_error', 'clock'] as const

/** What a source says now: values as a chart, the latest record decoded and as bytes, and what was missing or wrong. */
export class Records {
  readonly node = h('div', { class: 'page' })
  readonly #stream: Stream
  readonly #seen: SeenRecord[] = []
  readonly #troubles: SeenRecord[] = []
  readonly #chartNode = h('div', { class: 'chart', role: 'img', 'aria-label': 'Values over time' })
  readonly #noChart = empty('No number yet', 'Numbers of decoded records are drawn here as they come.')
  readonly #decoded = h('pre', { tabindex: 0, 'aria-label': 'Decoded record' })
  readonly #raw = h('pre', { tabindex: 0, 'aria-label': 'Bytes of the record' })
  readonly #said = h('p', { role: 'status', class: 'soft' }, 'Waiting for its next record.')
  readonly #latest = new RowTable<SeenRecord>({
    label: 'Latest records',
    columns: [
      { head: 'Sequence', number: true },
      { head: 'Time (UTC)' },
      { head: 'Value', wrap: true },
      { head: 'Headers', wrap: true },
    ],
    empty: ['No record yet', 'They appear as they arrive in the log.'],
  })
  readonly #wrong = new RowTable<SeenRecord>({
    label: 'Gaps and errors',
    columns: [{ head: 'Sequence', number: true }, { head: 'Time (UTC)' }, { head: 'What', wrap: true }],
    empty: ['Nothing missing, nothing undecoded', 'Gaps and what could not be decoded are listed here, as records say it.'],
  })
  readonly #unitOf: (field: string) => string | undefined
  #chart: TimeChart | undefined
  #lines: readonly string[] = []
  #drawn = -1
  gaps = 0

  constructor(key: string, unitOf: (field: string) => string | undefined) {
    this.#unitOf = unitOf
    this.node.append(
      h(
        'section',
        { class: 'card' },
        h('div', { class: 'bar' }, h('h2', {}, 'Values'), this.#said),
        this.#noChart,
        this.#chartNode,
      ),
      h(
        'div',
        { class: 'two' },
        h('section', { class: 'card' }, h('h2', {}, 'Latest record, decoded'), this.#decoded),
        h('section', { class: 'card' }, h('h2', {}, 'Latest record, bytes'), this.#raw),
      ),
      h('section', { class: 'card' }, h('h2', {}, 'Gaps and errors'), this.#wrong.node),
      h('section', { class: 'card' }, h('h2', {}, 'Latest records'), this.#latest.node),
    )
    this.#stream = new Stream(`/api/core/tail?last=200&source=${encodeURIComponent(key)}`, {
      hearers: {
        item: data => this.#take(JSON.parse(data) as RecordItem),
        trouble: data => setText(this.#said, (JSON.parse(data) as { message: string }).message),
      },
    })
  }

  end(): void {
    this.#stream.end()
    this.#chart?.end()
  }

  /** At most once a second, however fast records come. */
  draw(): void {
    const last = this.#seen.at(-1)
    if (last?.seq === this.#drawn) return
    this.#drawn = last?.seq ?? -1
    if (last) {
      setText(this.#said, `record ${number(last.seq)} at ${time(last.timeMs)} UTC`)
      setText(this.#decoded, last.decoded)
      setText(this.#raw, last.isPlaceholder ? 'no value: a placeholder' : hexDump(last.bytes))
      this.#drawChart()
    }
    this.#latest.show({
      items: this.#seen.slice(-ROWS_MAX).toReversed(),
      keyOf,
      cellsOf: ({ seq, timeMs, text, isPlaceholder, headers }) => [
        number(seq),
        time(timeMs),
        isPlaceholder ? 'placeholder' : text.slice(0, TEXT_SHOWN_MAX),
        Object.entries(headers)
          .filter(([name]) => name !== 'seq')
          .map(([name, value]) => `${name}: ${value}`)
          .join(' '),
      ],
    })
    this.#wrong.show({
      items: this.#troubles.toReversed(),
      keyOf,
      cellsOf: ({ seq, timeMs, headers }) => [
        number(seq),
        time(timeMs),
        HEADERS_OF_TROUBLE.flatMap(name => (headers[name] === undefined ? [] : [`${name}: ${headers[name]}`])).join(' '),
      ],
    })
  }

  #take(item: RecordItem): void {
    const seen = this.#seen
    // A stream that comes again begins before its end.
    if (item.seq <= (seen.at(-1)?.seq ?? -1)) return
    if (item.headers['gap'] !== undefined) this.gaps += 1
    const record = new SeenRecord(item)
    seen.push(record)
    if (seen.length > RECORDS_MAX) seen.shift()
    if (!HEADERS_OF_TROUBLE.some(name => item.headers[name] !== undefined)) return
    this.#troubles.push(record)
    if (this.#troubles.length > ROWS_MAX) this.#troubles.shift()
  }

  #drawChart(): void {
    const names = numbersOf(this.#seen).slice(0, LINES_MAX)
    this.#noChart.hidden = names.length > 0
    if (names.length === 0) return
    if (names.join() !== this.#lines.join()) {
      this.#chart?.end()
      this.#chartNode.replaceChildren()
      const labels = names.map(name => [name, this.#unitOf(name)].filter(Boolean).join(', '))
      this.#chart = new TimeChart(this.#chartNode, labels)
      this.#lines = names
    }
    this.#chart?.set(
      this.#seen.map(({ timeMs }) => timeMs),
      names.map(name => this.#seen.map(({ fields, text }) => numberIn(fields, text, name))),
    )
  }
}

function keyOf({ seq }: SeenRecord): string {
  return String(seq)
}

/** A value that is a number by itself, and no field of a record. */
const BARE = 'value'

function numbersOf(seen: readonly SeenRecord[]): string[] {
  const names = new Set<string>()
  for (const { fields, text } of seen) {
    if (!fields && isNumber(text)) names.add(BARE)
    for (const [name, value] of Object.entries(fields ?? {})) if (typeof value === 'number') names.add(name)
  }
  return [...names]
}

function numberIn(fields: SeenRecord['fields'], text: string, name: string): number | null {
  if (!fields) return name === BARE && isNumber(text) ? Number(text) : null
  return typeof fields[name] === 'number' ? fields[name] : null
}

function isNumber(text: string): boolean {
  return /^\s*-?\d+(\.\d+)?\s*$/.test(text)
}
