import type { Fault } from '../../src/doctor/report.ts'
import { pause, systemClock } from '../../src/runtime/clock.ts'
import type { KafkaCluster } from '../support/kafka/cluster.ts'
import type { SeededRandom } from '../support/random.ts'
import type { SoakPlant } from './plant.ts'

/** Faults that end a process: what it had in memory is gone, and so is what it would have leaked. The second half of a run does without. */
const ENDING = ['edge killed', 'core killed', 'broker killed'] as const
const SPARING = ['core frozen', 'edge frozen', 'link cut', 'link held', 'links flapping'] as const
export type FaultKind = (typeof ENDING)[number] | (typeof SPARING)[number]

/** Between two faults, ms. */
const PAUSE_MS = { min: 2_000, max: 12_000 }
const FLAPS = 5

/** Strikes at random until the time is over; tells each fault as it ends. */
export async function strikeUntil(
  endMs: number,
  startMs: number,
  parts: { plant: SoakPlant; kafka: KafkaCluster; random: SeededRandom },
  told: (fault: Fault) => void,
): Promise<void> {
  const { random } = parts
  const half = startMs + (endMs - startMs) / 2
  while (performance.now() < endMs - PAUSE_MS.max) {
    await pause(systemClock, random.between(PAUSE_MS.min, PAUSE_MS.max))
    const kind = random.pick<FaultKind>(performance.now() < half - PAUSE_MS.max ? [...ENDING, ...SPARING] : SPARING)
    const atMs = performance.now() - startMs
    await strike(kind, parts)
    told({ atMs, lastedMs: performance.now() - startMs - atMs, what: kind })
  }
}

async function strike(
  kind: FaultKind,
  { plant, kafka, random }: { plant: SoakPlant; kafka: KafkaCluster; random: SeededRandom },
) {
  const core = random.pick(plant.cores)
  const proxy = random.pick(plant.proxies)
  const wait = (min: number, max: number) => pause(systemClock, random.between(min, max))
  switch (kind) {
    case 'edge killed':
      await plant.kill9(plant.edge)
      await wait(0, 1_500)
      return plant.start(plant.edge)
    case 'core killed':
      await plant.kill9(core)
      await wait(0, 2_000)
      return plant.start(core)
    case 'broker killed':
      await kafka.kill9(1)
      await wait(0, 2_000)
      return kafka.restart(1)
    case 'core frozen':
      core.freeze()
      await wait(3_000, 10_000)
      return core.wake()
    case 'edge frozen':
      plant.edge.freeze()
      await wait(3_000, 10_000)
      return plant.edge.wake()
    case 'link cut':
      return proxy.cut()
    case 'link held':
      proxy.hold()
      await wait(4_000, 10_000)
      return proxy.cut()
    case 'links flapping':
      for (let flap = 0; flap < FLAPS; flap++) {
        for (const each of plant.proxies) each.cut()
        await wait(500, 1_000)
      }
  }
}
