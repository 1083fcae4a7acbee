import { get } from './api.ts'
import { h, setText } from './dom.ts'
import { bytes, number, span } from './format.ts'
import { HistoryChart } from './history-chart.ts'
import type { PageMaker } from './page.ts'
import { RowTable } from './row-table.ts'

interface Partition {
  readonly topic: string
  readonly partition: number
  readonly source: string
  readonly first: number | null
  readonly next: number | null
  readonly retention: {
    readonly age_ms: number | null
    readonly size_bytes: number | null
    readonly unread: 'keep' | 'delete'
  } | null
  readonly slowest: { readonly job: string; readonly offset: number } | null
}

/** Retention and the slowest job change slowly: they are asked for this often, ms. */
const ASK_EVERY_MS = 5_000

/** The log: what lies in each partition, for how long, who has not read it yet; and how much came in each minute of the last day. */
export const partitionsPage: PageMaker = ({ model }) => {
  const identity = h('p', { class: 'soft' })
  const history = new HistoryChart('Records by minute, last day')
  const filter = h('input', { type: 'search', placeholder: 'Find a partition', 'aria-label': 'Find a partition' })
  const table = new RowTable<Partition>({
    label: 'Partitions',
    columns: [
      { head: 'Partition' },
      { head: 'Source' },
      { head: 'First', number: true },
      { head: 'Next', number: true },
      { head: 'Records kept', number: true },
      { head: 'Retention' },
      { head: 'Slowest batch job' },
    ],
    empty: ['No partition yet', 'Each source gets one of its own when it first brings a record.'],
  })
  let rows: readonly Partition[] = []
  let askedMs = Number.NEGATIVE_INFINITY
  const draw = () => {
    const wanted = filter.value.trim().toLowerCase()
    table.show({
      items: rows.filter(row => keyOf(row).includes(wanted)),
      isSearch: wanted !== '' && rows.length > 0,
      keyOf,
      cellsOf: row => {
        const next = model.sources.get(row.source)?.core?.next ?? row.next
        return [
          `${row.topic}[${row.partition}]`,
          row.source,
          number(row.first),
          number(next),
          number(next === null || row.first === null ? null : next - row.first),
          retentionText(row),
          slowestText(row, next),
        ]
      },
    })
  }
  filter.addEventListener('input', draw)
  return {
    title: 'Partitions',
    node: h(
      'div',
      { class: 'page' },
      h('div', { class: 'bar' }, h('h1', {}, 'Partitions'), identity),
      history.node,
      h('section', { class: 'card' }, h('div', { class: 'bar' }, h('h2', {}, 'Partitions and retention'), filter), table.node),
    ),
    update() {
      const { core, timeMs } = model
      if (core) setText(identity, `${core.log.engine} log ${core.log.identity}`)
      draw()
      if (timeMs - askedMs < ASK_EVERY_MS) return
      askedMs = timeMs
      get<Partition[]>('/api/core/partitions').then(found => {
        rows = found
        draw()
      }, Object)
    },
    leave: () => history.end(),
  }
}

function keyOf({ topic, partition, source }: Partition): string {
  return `${topic}[${partition}] ${source}`
}

function retentionText({ retention }: Partition): string {
  if (!retention) return 'kept for ever'
  const { age_ms, size_bytes, unread } = retention
  const limits = [...(age_ms === null ? [] : [span(age_ms)]), ...(size_bytes === null ? [] : [bytes(size_bytes)])]
  return `${limits.join(' or ')}; unread is ${unread === 'keep' ? 'kept' : 'deleted'}`
}

function slowestText({ slowest }: Partition, next: number | null): string {
  if (!slowest) return 'none reads it'
  const behind = next === null ? null : Math.max(0, next - slowest.offset)
  return behind === 0 ? `${slowest.job}, at its end` : `${slowest.job}, ${number(behind)} behind`
}
