/** Windows and aggregates by their definitions alone: everything is kept, sorted and looked through. What the analysers do has to agree with it. */

export interface Event {
  readonly timeMs: number
  readonly x: number | undefined
  readonly word?: string | undefined
}

export type Spec =
  | { readonly kind: 'paned'; readonly size: number; readonly hop: number }
  | { readonly kind: 'sliding'; readonly size: number }
  | { readonly kind: 'session'; readonly gap: number }
  | { readonly kind: 'count'; readonly size: number }

export interface NaiveWindow {
  readonly from: number
  readonly to: number
  readonly events: readonly Event[]
}

/** Events in order of arrival; none later than what its window waits for. */
export function naiveWindows(spec: Spec, arrived: readonly Event[]): NaiveWindow[] {
  const events = arrived.toSorted((a, b) => a.timeMs - b.timeMs)
  if (spec.kind === 'sliding') {
    return events.map(({ timeMs }, index) => {
      const before = events.slice(0, index + 1)
      return { from: timeMs - spec.size, to: timeMs, events: before.filter(each => each.timeMs > timeMs - spec.size) }
    })
  }
  if (spec.kind === 'count') {
    const whole = Math.floor(events.length / spec.size)
    return Array.from({ length: whole }, (_, index) => events.slice(index * spec.size, (index + 1) * spec.size)).map(inside => ({
      from: inside[0]?.timeMs ?? 0,
      to: inside.at(-1)?.timeMs ?? 0,
      events: inside,
    }))
  }
  if (spec.kind === 'session') {
    const sessions: Event[][] = []
    for (const event of events) {
      const last = sessions.at(-1)
      if (last && event.timeMs - (last.at(-1)?.timeMs ?? 0) < spec.gap) last.push(event)
      else sessions.push([event])
    }
    return sessions.map(inside => ({ from: inside[0]?.timeMs ?? 0, to: (inside.at(-1)?.timeMs ?? 0) + spec.gap, events: inside }))
  }
  const starts = new Set<number>()
  for (const { timeMs } of events)
    for (let start = Math.floor(timeMs / spec.hop) * spec.hop; start > timeMs - spec.size; start -= spec.hop) starts.add(start)
  return [...starts]
    .sort((a, b) => a - b)
    .map(from => ({
      from,
      to: from + spec.size,
      events: events.filter(({ timeMs }) => timeMs >= from && timeMs < from + spec.size),
    }))
}

export function naiveAggregates(events: readonly Event[]): Record<string, number | string> {
  const words = events.flatMap(({ word }) => (word === undefined ? [] : [word]))
  const valued = events.filter((event): event is { timeMs: number; x: number } => event.x !== undefined)
  const values = valued.map(({ x }) => x)
  const sum = values.reduce((a, b) => a + b, 0)
  const [first_word, last_word] = [words[0], words.at(-1)]
  const said = { words: words.length, ...(first_word !== undefined && { first_word, last_word: last_word ?? '' }) }
  const counted = { records: events.length, count: values.length, sum, ...said }
  const [first, last] = [valued[0], valued.at(-1)]
  if (!first || !last) return counted
  const avg = sum / values.length
  const squares = values.reduce((total, x) => total + (x - avg) ** 2, 0)
  const sorted = values.toSorted((a, b) => a - b)
  const rank = 0.9 * (sorted.length - 1)
  const [low = 0, high = 0] = [sorted[Math.floor(rank)], sorted[Math.ceil(rank)]]
  const seconds = (last.timeMs - first.timeMs) / 1_000
  return {
    ...counted,
    avg,
    min: Math.min(...values),
    max: Math.max(...values),
    first: first.x,
    last: last.x,
    delta: last.x - first.x,
    rate: seconds > 0 ? (last.x - first.x) / seconds : 0,
    stddev: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0,
    p90: low + (high - low) * (rank - Math.floor(rank)),
  }
}
