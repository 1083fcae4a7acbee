import { h } from './dom.ts'
import { moment } from './format.ts'
import type { Trouble } from './model.ts'

/** What needs a person, and what to do. */
export function troubleCard({ message, advice, source, gateway, since, code }: Trouble): HTMLElement {
  const about = [gateway, source].filter(Boolean).join(' / ')
  return h(
    'article',
    { class: 'card alarm' },
    h('h2', {}, code.replaceAll('_', ' '), about === '' ? null : h('span', { class: 'about' }, about)),
    h('p', {}, message),
    h('p', {}, h('strong', {}, 'What to do: '), advice),
    h('p', { class: 'soft' }, `since ${moment(since)}`),
  )
}

/** Those of a list, drawn anew only when they are others. */
export class Troubles {
  readonly node: HTMLElement
  #shown = ''

  constructor(label: string) {
    this.node = h('section', { 'aria-label': label, class: 'stack', hidden: true })
  }

  show(troubles: readonly Trouble[]): void {
    const text = JSON.stringify(troubles)
    if (text === this.#shown) return
    this.#shown = text
    this.node.hidden = troubles.length === 0
    this.node.replaceChildren(...troubles.map(troubleCard))
  }
}
