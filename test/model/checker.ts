import { canonical, FORGOTTEN, PLACEHOLDER, type Rules, type State } from './state.ts'
import { stepsFrom } from './steps.ts'

export interface Verdict {
  readonly states: number
  /** Steps from the start to the farthest state. */
  readonly depth: number
  /** False where the search stopped at its bound of states. */
  readonly whole: boolean
  /** What is wrong, and the schedule that leads there. */
  readonly broken: { readonly what: string; readonly schedule: readonly string[] } | undefined
}

interface Seen {
  readonly key: string
  readonly from: number
  readonly what: string
  readonly depth: number
}

/** Every state that can be reached, breadth first, so that a schedule that breaks something is as short as can be. */
export function search(start: State, rules: Rules, statesMax: number): Verdict {
  const seen: Seen[] = [{ key: canonical(start), from: -1, what: 'start', depth: 0 }]
  const known = new Map<string, number>([[seen[0]?.key ?? '', 0]])
  /** For each state, those from which it is reached without a fault. */
  const before: number[][] = [[]]
  const good: number[] = []
  const verdict = (what?: string, at = 0): Verdict => ({
    states: seen.length,
    depth: seen.at(-1)?.depth ?? 0,
    whole: seen.length < statesMax,
    broken: what === undefined ? undefined : { what, schedule: scheduleTo(seen, at) },
  })
  for (let at = 0; at < seen.length && seen.length < statesMax; at++) {
    const here = seen[at]
    if (!here) break
    let steps: ReturnType<typeof stepsFrom>
    try {
      steps = stepsFrom(here.key, rules)
    } catch (cause) {
      return verdict(`an invariant of the code does not hold: ${cause}`, at)
    }
    for (const { what, fault, then } of steps) {
      const key = canonical(then)
      let to = known.get(key)
      if (to === undefined) {
        to = seen.push({ key, from: at, what, depth: here.depth + 1 }) - 1
        known.set(key, to)
        before.push([])
        const wrong = wrongIn(then)
        if (wrong) return verdict(wrong, to)
        if (isDone(then)) good.push(to)
      }
      if (!fault) before[to]?.push(at)
    }
  }
  if (seen.length >= statesMax) return verdict()
  const stuck = notLeadingTo(good, before)
  return stuck === undefined ? verdict() : verdict('from here on nothing leads to the end, though no more faults happen', stuck)
}

/** The safety of a state: what is wrong with it. */
function wrongIn({ log, settled, cut, cutBack, lost, intruded, frozen, left }: State): string | undefined {
  const records = log.filter(holds => holds >= 0)
  if (new Set(records).size < records.length) return `a record lies in the log twice: ${log.join(' ')}`
  if (!intruded && log.some((holds, at) => at > 0 && holds >= 0 && holds < Math.max(...log.slice(0, at))))
    return `out of order: ${log.join(' ')}`
  if (!intruded && log.some((holds, offset) => holds >= 0 && holds !== offset))
    return `an offset is not the number: ${log.join(' ')}`
  if (!cutBack && settled > log.length) return `${settled} is settled, the log ends at ${log.length}`
  const untrue = cut.findIndex((holds, seq) => seq < settled && holds !== FORGOTTEN && seq < log.length && log[seq] !== holds)
  // A gateway that found it out stands still, and a person decides. A log that lost its end, into which somebody else then wrote just as much before the
  // gateway asked, cannot be told from one that lost nothing: docs/guarantees.md says so.
  if (!cutBack && !frozen && !(lost && intruded) && untrue >= 0)
    return `the gateway was told that ${untrue} is in the log, where something else lies`
  if (!lost && log.includes(PLACEHOLDER)) return 'a placeholder took the place of what was not lost'
  // What it had forgotten, and the log had lost, may still have been on its way when a placeholder was made for it: there a person decides.
  if (frozen && !intruded && !cut.includes(PLACEHOLDER)) return `frozen without need: ${frozen}`
  if (left < 0 || settled > cut.length) return 'the model is wrong'
  return undefined
}

/** All that the device gave is in the log and known to be, or the source is frozen with a reason. */
function isDone({ left, settled, cut, log, frozen, intruded, ingresses }: State): boolean {
  if (frozen !== null) return true
  return (
    left === 0 &&
    settled === cut.length &&
    (log.length === cut.length || intruded) &&
    ingresses.every(({ pending }) => pending === null)
  )
}

/** A state from which none of `good` can be reached; undefined where there is none. */
function notLeadingTo(good: readonly number[], before: readonly number[][]): number | undefined {
  const leads = new Uint8Array(before.length)
  const todo = [...good]
  for (const at of good) leads[at] = 1
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    for (const from of before[at] ?? []) {
      if (leads[from]) continue
      leads[from] = 1
      todo.push(from)
    }
  }
  const stuck = leads.indexOf(0)
  return stuck < 0 ? undefined : stuck
}

function scheduleTo(seen: readonly Seen[], at: number): string[] {
  const schedule: string[] = []
  for (let here = seen[at]; here && here.from >= 0; here = seen[here.from]) schedule.unshift(here.what)
  return schedule
}
