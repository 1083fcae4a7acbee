import type { Parts } from './plant.ts'
import { run } from './run.ts'
import { drawSchedule, type Schedule, scheduleText } from './schedule.ts'
import { shrink } from './shrink.ts'

/** Runs the schedule of a seed. Where it fails, says so at once, and gives what is left of it when it is made small. */
export async function failureOf(seed: number, say: (text: string) => void, parts: Parts = {}): Promise<string | undefined> {
  const schedule = drawSchedule(seed)
  const attempt = (candidate: Schedule) => run(candidate, parts)
  const { findings } = await attempt(schedule)
  if (findings.length === 0) return undefined
  // To make it small takes minutes, and whoever runs this may end it meanwhile.
  say(`seed ${seed} failed: ${findings.join('\n  ')}`)
  const smallest = await shrink(schedule, attempt)
  const { findings: left } = await attempt(smallest)
  return `the smallest schedule that fails:\n${scheduleText(smallest)}\n  ${left.join('\n  ')}`
}
