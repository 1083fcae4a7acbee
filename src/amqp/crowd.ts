/** Groups of an IPv6 address that say whose network it is; the other half its owner chooses as he likes (RFC 4291, 2.5.1). */
const NETWORK_GROUPS = 4
const MAPPED = /^::ffff:(?=\d+\.)/

/** Where a peer comes from, for what is shared out by that: an IPv4 address, or the network of an IPv6 one. */
export function placeOf(address: string): string {
  const plain = address.replace(MAPPED, '').replace(/%.*$/, '')
  if (!plain.includes(':')) return plain
  const [head = '', tail] = plain.split('::')
  const groups = head === '' ? [] : head.split(':')
  // What `::` stands for is zeros, of which the network has as many as it needs.
  const ends = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - groups.length - ends.length
  return [...groups, ...Array<string>(Math.max(0, zeros)).fill('0'), ...ends].slice(0, NETWORK_GROUPS).join(':')
}

/** Members by the place that they come from. Whoever has to be sent away is looked for where most come from; turns are taken by place. */
export class Crowd<Member> {
  /** Places whose turn is longest ago first; of each, who came first first. */
  readonly #byPlace = new Map<string, Set<Member>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Members from there. */
  of(place: string): number {
    return this.#byPlace.get(place)?.size ?? 0
  }

  add(place: string, member: Member): void {
    const there = this.#byPlace.get(place) ?? new Set()
    this.#byPlace.set(place, there)
    this.#size -= there.size
    there.add(member)
    this.#size += there.size
  }

  delete(place: string, member: Member): void {
    const there = this.#byPlace.get(place)
    if (!there?.delete(member)) return
    this.#size -= 1
    if (there.size === 0) this.#byPlace.delete(place)
  }

  /** Whose turn it is. */
  first(): Member | undefined {
    const [there] = this.#byPlace.values()
    return there && firstOf(there)
  }

  /** Its place had its turn. */
  turned(place: string): void {
    const there = this.#byPlace.get(place)
    if (!there) return
    this.#byPlace.delete(place)
    this.#byPlace.set(place, there)
  }

  /** Of the place that most come from, who came first. */
  mostCrowded(): { readonly place: string; readonly member: Member; readonly count: number } | undefined {
    let most: { place: string; there: Set<Member> } | undefined
    for (const [place, there] of this.#byPlace) if (!most || there.size > most.there.size) most = { place, there }
    const member = most && firstOf(most.there)
    return most && member !== undefined ? { place: most.place, member, count: most.there.size } : undefined
  }
}

function firstOf<Member>(members: Set<Member>): Member | undefined {
  const [first] = members
  return first
}
