import type { Fault } from '../../src/doctor/report.ts'
import { pause, systemClock } from '../../src/runtime/clock.ts'
import type { KafkaProxy } from '../fault/faults/kafka-proxy.ts'
import type { HeadraceProcess } from '../support/headrace-process.ts'
import type { KafkaCluster } from '../support/kafka/cluster.ts'
import type { SeededRandom } from '../support/random.ts'
import type { SoakPlant } from './plant.ts'

/** Faults that end a process: what it had in memory is gone, and so is what it would have leaked. The second half of a run does without. */
const ENDING = ['edge killed', 'core killed', 'broker killed', 'edge with a wrong clock', 'core with a wrong clock'] as const
const SPARING = [
  ...(['core frozen', 'edge frozen', 'broker frozen', 'answers of the broker lost'] as const),
  ...(['link cut', 'link held', 'links flapping', 'disk of the edge full'] as const),
]
export type FaultKind = (typeof ENDING)[number] | (typeof SPARING)[number]

/** Between two faults, ms. */
const PAUSE_MS = { min: 2_000, max: 12_000 }
const FLAPS = 5
/** A clock is set so far off, ms: a zone that is wrong, a battery that is empty for a while, and right again. */
const CLOCK_SHIFTS_MS = [-3_600_000, -60_000, 0, 60_000, 3_600_000]

export interface Struck {
  readonly plant: SoakPlant
  readonly kafka: KafkaCluster
  /** Stands before the broker. */
  readonly broker: KafkaProxy
  readonly random: SeededRandom
}

/** Strikes at random until the time is over; tells each fault as it ends. */
export async function strikeUntil(endMs: number, startMs: number, parts: Struck, told: (fault: Fault) => void): Promise<void> {
  const { random } = parts
  const half = startMs + (endMs - startMs) / 2
  while (performance.now() < endMs - PAUSE_MS.max) {
    await pause(systemClock, random.between(PAUSE_MS.min, PAUSE_MS.max))
    const kind = random.pick(strikable(parts, performance.now() < half - PAUSE_MS.max ? [...ENDING, ...SPARING] : SPARING))
    const atMs = performance.now() - startMs
    await strike(kind, parts)
    told({ atMs, lastedMs: performance.now() - startMs - atMs, what: kind })
  }
}

/** What strikes at that moment, where it can: a disk of its own takes root. */
function strikable({ plant }: Struck, kinds: readonly FaultKind[]): readonly FaultKind[] {
  return kinds.filter(kind => kind !== 'disk of the edge full' || plant.disk !== undefined)
}

async function strike(kind: FaultKind, { plant, kafka, broker, random }: Struck) {
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
    case 'edge with a wrong clock':
      return restartWithClock(plant, plant.edge, random)
    case 'core with a wrong clock':
      return restartWithClock(plant, core, random)
    case 'broker frozen':
      kafka.stopped(1)
      await wait(3_000, 20_000)
      return kafka.cont(1)
    case 'answers of the broker lost':
      broker.loseAnswers(random.between(1, 4), random.pick(['cut', 'cut', 'silent'] as const))
      return wait(2_000, 5_000)
    case 'disk of the edge full':
      plant.disk?.fill()
      await wait(2_000, 10_000)
      return plant.disk?.empty()
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

async function restartWithClock(plant: SoakPlant, process: HeadraceProcess, random: SeededRandom): Promise<void> {
  await plant.kill9(process)
  plant.setClock(process, random.pick(CLOCK_SHIFTS_MS))
  plant.start(process)
}
