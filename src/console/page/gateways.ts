import { h } from './dom.ts'
import { ago, bytes, moment, number } from './format.ts'
import type { GatewayView, Model } from './model.ts'
import { RowTable } from './row-table.ts'
import type { Buffered } from './status.ts'

/** Since when something waits for the log; what has just been sent waits for an answer alone. */
export function waitingSince(buffered: Buffered | undefined, nowMs: number): string {
  if (!buffered) return '–'
  if (buffered.oldest !== null) return ago(Date.parse(buffered.oldest), nowMs)
  return buffered.records === 0 ? 'nothing waits' : 'on their way'
}

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
    this.#table.show({
      items: this.#model.gateways,
      keyOf: ({ gateway }) => gateway,
      cellsOf: view => {
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
          waitingSince(report?.buffered, timeMs),
          disk ? `${bytes(disk.used_bytes)} of ${bytes(disk.quota_bytes)}` : '–',
          disk ? bytes(disk.written_bytes) : '–',
          heardMs === undefined ? 'not yet' : ago(heardMs, timeMs),
        ]
      },
    })
  }
}
