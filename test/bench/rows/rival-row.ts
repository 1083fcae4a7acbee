import { mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../../hardware/simulators/free-port.ts'
import { messageOf } from '../../../src/runtime/errors.ts'
import { writePayloadFile } from '../payload.ts'
import { cpuSeconds, peakRssMib } from '../process-figures.ts'
import { findProgram, Rival, sendLines, untilStored } from '../rival.ts'
import type { BenchContext, Figure, Measured } from '../row.ts'
import { createTopic, deleteTopics } from '../topics.ts'

const PARTITIONS = 50

export interface RivalSetup {
  readonly program: string
  /** Where it is looked for beside PATH. */
  readonly folders?: readonly string[]
  readonly records: { readonly quick: number; readonly full: number }
  /** Writes its configuration into the folder; gives its arguments. */
  readonly prepare: (about: { folder: string; port: number; topic: string; brokers: readonly string[] }) => readonly string[]
  /** What has to be there beside the program; says what is missing. */
  readonly missing?: () => string | undefined
}

/** Sends the records that all contenders are given over TCP to another program, which stores them on disk and hands them on to Kafka. */
export async function measureRival(context: BenchContext, setup: RivalSetup): Promise<Measured> {
  const program = findProgram(setup.program, ...(setup.folders ?? []))
  if (program === undefined) return { figures: [], absent: `there is no ${setup.program} on this machine` }
  const missing = setup.missing?.()
  if (missing !== undefined) return { figures: [], absent: missing }
  const rounds: { perSecond: number; cpu: number; mib: number }[] = []
  for (let round = 1; round <= (context.quick ? 1 : context.rounds); round++) {
    rounds.push(await measureRound(context, setup, program, round))
  }
  const figure = (name: string, unit: string, values: number[]): Figure => ({ name: `${setup.program}, ${name}`, unit, values })
  return {
    figures: [
      figure(
        'disk queue → Kafka',
        'records/s',
        rounds.map(({ perSecond }) => perSecond),
      ),
      figure(
        'processor time',
        'CPU-s per million',
        rounds.map(({ cpu }) => cpu),
      ),
      figure(
        'memory',
        'MiB at most',
        rounds.map(({ mib }) => mib),
      ),
    ],
  }
}

async function measureRound(
  { kafka, folder, quick, say }: BenchContext,
  { records: counts, prepare, program: name }: RivalSetup,
  program: string,
  round: number,
): Promise<{ perSecond: number; cpu: number; mib: number }> {
  const own = mkdtempSync(join(folder, `${name}-`))
  const payloadFile = join(own, 'payload')
  writePayloadFile(payloadFile)
  const lines = readFileSync(payloadFile, 'latin1').split('\n')
  const topic = `${name}-${round}`
  const records = quick ? counts.quick : counts.full
  await createTopic(kafka, topic, PARTITIONS)
  const port = await freePort()
  const rival = new Rival(program, prepare({ folder: own, port, topic, brokers: kafka.addresses }), join(own, 'log'))
  try {
    const fromMs = performance.now()
    const sent = sendLines(port, lines, records)
    await untilStored(kafka, topic, PARTITIONS, records)
    const perSecond = (records / (performance.now() - fromMs)) * 1_000
    await sent
    const found = { perSecond, cpu: (cpuSeconds(rival.pid) / records) * 1e6, mib: peakRssMib(rival.pid) }
    say(`${name}: ${Math.round(perSecond)} records/s`)
    return found
  } catch (cause) {
    throw new Error(`${name} failed: ${messageOf(cause)}; it said:\n${readFileSync(join(own, 'log'), 'utf8').slice(-2_000)}`, {
      cause,
    })
  } finally {
    await rival.end()
    await deleteTopics(kafka, topic)
  }
}
