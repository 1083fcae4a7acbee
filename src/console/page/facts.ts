import { h, setText } from './dom.ts'
import type { Tone } from './model.ts'

/** A list of facts; each stays where it is, and only its text changes. */
export class Facts {
  readonly node = h('dl', { class: 'facts' })
  readonly #values = new Map<string, HTMLElement>()

  set(label: string, text: string, tone?: Tone): void {
    let value = this.#values.get(label)
    if (!value) {
      value = h('dd')
      this.#values.set(label, value)
      this.node.append(h('div', {}, h('dt', {}, label), value))
    }
    setText(value, text)
    value.className = tone === undefined ? '' : `state ${tone}`
  }
}
