import { assert } from './errors.ts'

/** What stands in a {@link Chain}: it knows its neighbours itself. */
export abstract class ChainLink<Own extends ChainLink<Own>> {
  /** To be changed by the chain alone, as all here. */
  before: Own | undefined
  after: Own | undefined
  chain: Chain<Own> | undefined
}

/**
 * Things in the order in which they came, each of which may leave at any time. A Map does the same, but replaces its table again and again where entries come and go by the thousand; each table that lived
 * for a moment too long keeps all that stood in it, and what hangs on that, until the whole heap is looked through. See docs/decisions/0178.
 */
export class Chain<Item extends ChainLink<Item>> {
  #first: Item | undefined
  #last: Item | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get first(): Item | undefined {
    return this.#first
  }

  /** Puts one behind all others; it stands in no chain before. */
  push(item: Item): void {
    assert(item.chain === undefined, 'what is put into a chain stands in none')
    item.chain = this
    item.before = this.#last
    if (this.#last) this.#last.after = item
    else this.#first = item
    this.#last = item
    this.#size += 1
  }

  /** Takes one out, wherever it stands. It lets go of its neighbours: what is gone keeps nothing that came after it. */
  remove(item: Item): void {
    assert(item.chain === this, 'what is taken out of a chain stands in it')
    const { before, after } = item
    if (before) before.after = after
    else this.#first = after
    if (after) after.before = before
    else this.#last = before
    item.chain = undefined
    item.before = undefined
    item.after = undefined
    this.#size -= 1
  }
}
