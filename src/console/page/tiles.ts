import { h, setText } from './dom.ts'
import { ago, bytes, compact, number } from './format.ts'
import { type Model, needsLook } from './model.ts'

const LABELS = ['Records a second', 'Sources', 'On gateways', 'Link', 'Needs a person'] as const
type Label = (typeof LABELS)[number]

/** The whole of it in five numbers. */
export class Tiles {
  readonly node = h('section', { class: 'tiles', 'aria-label': 'In short' })
  readonly #model: Model
  readonly #values = new Map<Label, { tile: HTMLElement; value: HTMLElement; more: HTMLElement }>()

  constructor(model: Model) {
    this.#model = model
    for (const label of LABELS) {
      const value = h('div', { class: 'value' }, '–')
      const more = h('div', { class: 'more' })
      const tile = h('div', { class: 'tile' }, h('div', { class: 'label' }, label), value, more)
      this.#values.set(label, { tile, value, more })
      this.node.append(tile)
    }
  }

  update(): void {
    const { sources, perSecond, troubles } = this.#model
    const views = [...sources.values()]
    const unwell = views.filter(needsLook).length
    const total = views.reduce((sum, view) => sum + (view.core?.next ?? view.edge?.settled ?? 0), 0)
    this.#set('Records a second', compact(perSecond), `${compact(total)} in the log`)
    this.#set(
      'Sources',
      number(views.length),
      unwell === 0 ? 'all well' : `${number(unwell)} ${unwell === 1 ? 'needs' : 'need'} a look`,
      unwell > 0,
    )
    this.#buffered()
    this.#link()
    this.#set(
      'Needs a person',
      number(troubles.length),
      troubles.length === 0 ? 'nothing: all is well' : 'see below what to do',
      troubles.length > 0,
    )
  }

  #buffered(): void {
    const known = [...this.#model.sources.values()].flatMap(({ at }) => (at ? [at.buffered] : []))
    if (known.length === 0) {
      this.#set('On gateways', '–', 'no gateway has said yet')
      return
    }
    const records = known.reduce((sum, each) => sum + each.records, 0)
    const oldest = known.flatMap(each => (each.oldest === null ? [] : [Date.parse(each.oldest)]))
    const since = oldest.length === 0 ? undefined : oldest.reduce((least, each) => Math.min(least, each))
    const size = bytes(known.reduce((sum, each) => sum + each.bytes, 0))
    const waiting =
      since === undefined
        ? 'on their way'
        : `${records === 1 ? 'record waits' : 'records wait'}, ${size}, oldest ${ago(since, this.#model.timeMs)}`
    const more = records === 0 ? 'nothing waits' : waiting
    this.#set('On gateways', compact(records), more)
  }

  #link(): void {
    const { core, edge, gateways } = this.#model
    if (edge) {
      this.#set('Link', edge.link.state, edge.link.peer ?? 'no core', edge.link.state !== 'sending')
      return
    }
    const connected = core?.gateways.length ?? 0
    const away = gateways.length - connected
    this.#set('Link', number(connected), away > 0 ? `connected, ${away} away` : 'gateways connected', away > 0)
  }

  #set(label: Label, value: string, more: string, isBad = false): void {
    const at = this.#values.get(label)
    if (!at) return
    setText(at.value, value)
    setText(at.more, more)
    at.tile.className = isBad ? 'tile bad' : 'tile'
  }
}
