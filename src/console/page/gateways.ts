import { h } from './dom.ts'
import { ago, bytes, moment, number } from './format.ts'
import type { GatewayView, Model } from './model.ts'
import { RowTable } from './row-table.ts'

/** The gateways of a core: their link, what waits on them and what they wrote. */
export class Gateways {
  readonly node: HTMLElement
  readonly #model: Model
  readonly #table = new RowTable<GatewayView>({
    label: 'Gateways',
    columns: [
      { head: 'Gateway' },
      { head: 'Link' },
      { head: 'Sources', number: true },
      { head: 'Waiting', number: true },
      { head: 'Oldest' },
      { head: 'Buffer used' },
      { head: 'Written to disk', number: true },
      { head: 'Last heard' },
    ],
    empty: ['No gateway yet', 'Point a gateway’s `uplink` at this core: it appears here as soon as it connects.'],
  })

  constructor(model: Model) {
    this.#model = model
    this.node = h('section', { class: 'card' }, h('h2', {}, 'Gateways'), this.#table.node)
  }

  update(): void {
    const { timeMs, edge } = this.#model
    this.#table.show(
      this.#model.gateways,
      ({ gateway }) => gateway,
      view => {
        const { gateway, session, since, heardMs, report, sources } = view
        const disk = edge?.gateway === gateway ? edge.disk : report?.disk
        const isHere = session !== undefined
        return [
          gateway,
          {
            text: isHere ? `session ${session}` : 'not connected',
            tone: isHere ? 'good' : 'warn',
            title: since === undefined ? '' : `since ${moment(since)}`,
          },
          number(sources),
          number(report?.buffered.records),
          report ? (report.buffered.oldest === null ? 'nothing waits' : ago(Date.parse(report.buffered.oldest), timeMs)) : '–',
          disk ? `${bytes(disk.used_bytes)} of ${bytes(disk.quota_bytes)}` : '–',
          disk ? bytes(disk.written_bytes) : '–',
          heardMs === undefined ? 'not yet' : ago(heardMs, timeMs),
        ]
      },
    )
  }
}
