import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { freePort } from '../hardware/simulators/free-port.ts'
import { flatness, largest, type Point } from '../src/doctor/flatness.ts'
import { type Fault, hasPassed, type Judgement, type RunReport, renderReport, reportJson } from '../src/doctor/report.ts'
import { pause, systemClock } from '../src/runtime/clock.ts'
import { check, type Verdict } from '../test/fault/checker.ts'
import { KafkaProxy } from '../test/fault/faults/kafka-proxy.ts'
import { strikeUntil } from '../test/soak/faults.ts'
import { type Measured, Measurements } from '../test/soak/measure.ts'
import { recordsOf, SoakPlant, TOPIC } from '../test/soak/plant.ts'
import { KafkaCluster } from '../test/support/kafka/cluster.ts'
import { consumeTopic } from '../test/support/kafka/consume.ts'
import { SeededRandom } from '../test/support/random.ts'
import { until } from '../test/support/until.ts'
import { duration, readArguments, wholeNumber } from './arguments.ts'

/*
  npm run soak -- --for 1h [--seed N] [--rate RECORDS] [--out DIRECTORY]
  A real Kafka, two cores, a gateway with generators and serial devices on pseudo terminals, and faults at random. Ends with a report, as a page and
  as JSON; exit code 1 where something does not hold.
*/

const GENERATORS = 8
const DEVICES = 2
const CORES = 2
const START_LIMIT_MS = 120_000
const DRAIN_LIMIT_MS = 300_000
const SHORTEST_MS = 30_000
/** A shorter run tells nothing of leaks: what fills up once has not filled up. */
const JUDGED_FROM_MS = 240_000
/** Fewer measurements of the second half say nothing. */
const POINTS_MIN = 60
/** What may be gained over the second half: a share of the median, or so much in any case. */
const ALLOWED: Readonly<Record<'memory' | 'handles' | 'files', { share: number; atLeast: number; unit: string }>> = {
  memory: { share: 0.15, atLeast: 16, unit: 'MiB' },
  handles: { share: 0.1, atLeast: 4, unit: 'handles' },
  files: { share: 0.1, atLeast: 4, unit: 'MiB' },
}

const {
  for: forMs,
  rate,
  out: outFolder,
  seed = Math.floor(Math.random() * 2 ** 31),
} = readArguments<{ for: number; seed?: number; rate: number; out: string }>(
  new Command('npm run soak --')
    .description('Runs a plant with faults at random, and judges what became of it.')
    .addOption(new Option('--for <duration>', 'how long').argParser(duration(SHORTEST_MS)).default(3_600_000, '1h'))
    .option('--seed <number>', 'of the faults; that of an earlier run repeats it', wholeNumber(0))
    .option('--rate <records>', 'records a second of each generator', wholeNumber(1, 1_000), 25)
    .option('--out <folder>', 'where the report goes', 'soak-report'),
)
const command = `npm run soak -- --for ${forMs / 1_000}s --seed ${seed} --rate ${rate}`
console.log(`${command}\nstarting Kafka, ${CORES} cores and a gateway …`)

const proxyPort = await freePort()
const broker = await KafkaProxy.open(proxyPort)
const kafka = await KafkaCluster.start({ advertisedPorts: [proxyPort] })
broker.leadsTo(kafka.port(1))
const brokers = [`127.0.0.1:${proxyPort}`]
const records = Math.max(1, Math.floor((forMs / 1_000) * rate))
const plant = await SoakPlant.create({
  brokers,
  generators: GENERATORS,
  recordsPerSecond: rate,
  records,
  devices: DEVICES,
  cores: CORES,
})
const faults: Fault[] = []
let report: RunReport
try {
  for (const process of [...plant.cores, plant.edge]) plant.start(process)
  await until(
    'every source flows',
    async () => (await plant.status())?.sources.some(({ settled }) => settled > 0),
    START_LIMIT_MS,
  )
  for (const device of plant.devices) device.start()
  report = await run()
} finally {
  await plant.end()
  await kafka.stop()
  await broker.close()
}
const out = resolve(outFolder)
mkdirSync(out, { recursive: true })
writeFileSync(join(out, 'report.html'), renderReport(report))
writeFileSync(join(out, 'report.json'), `${JSON.stringify(reportJson(report), null, 1)}\n`)
for (const { what, verdict, detail } of report.judgements) console.log(`${verdict.padEnd(10)} ${what}: ${detail}`)
console.log(`report: ${join(out, 'report.html')}`)
process.exit(hasPassed(report) ? 0 : 1)

async function run(): Promise<RunReport> {
  const started = new Date().toISOString()
  const startMs = performance.now()
  const measurements = new Measurements(plant, () => kafka.pid(1), startMs)
  measurements.start()
  await strikeUntil(startMs + forMs, startMs, { plant, kafka, broker, random: new SeededRandom(seed) }, fault => {
    faults.push(fault)
    console.log(`${Math.round(fault.atMs / 1_000)} s: ${fault.what}`)
  })
  await pause(systemClock, Math.max(0, startMs + forMs - performance.now()))
  for (const device of plant.devices) device.stop()
  measurements.stop()
  const lastedMs = performance.now() - startMs
  await until('everything is in the log', () => plant.isDrained(), DRAIN_LIMIT_MS)
  const { generators, devices } = await plant.expectations()
  const consumed = await consumeTopic(brokers, TOPIC)
  const judgements = [
    ...judgeDelivery(check(generators, recordsOf(generators, consumed)), check(devices, recordsOf(devices, consumed))),
    ...(['memory', 'handles', 'files'] as const).flatMap(what => judgeFlatness(measurements, what, lastedMs)),
  ]
  return {
    title: 'Soak',
    command,
    seed,
    started,
    lastedMs,
    facts: {
      processes: `1 gateway, ${CORES} cores, 1 Kafka broker`,
      sources: `${GENERATORS} generators at ${rate} records/s, ${DEVICES} serial devices on pseudo terminals`,
      'records read back': consumed.length,
      faults: faults.length,
      'answers of the broker lost': broker.lost,
      'processes that ended by themselves and were started again': plant.restarts,
    },
    figures: [
      measurements.figure('load', 'Load', 'records/s settled'),
      measurements.figure('backlog', 'Backlog', 'records'),
      measurements.figure('memory', 'Memory', 'MiB resident'),
      measurements.figure('handles', 'File handles', 'handles'),
      measurements.figure('files', 'Files', 'MiB in the state directory'),
    ],
    faults,
    judgements,
  }
}

function judgeDelivery(generated: Verdict, said: Verdict): Judgement[] {
  const { lost, repeated, outOfOrder, declaredLost, findings } = generated
  const wrong = lost + repeated + outOfOrder + findings.length
  // A device that nobody reads speaks to nobody: what is missing of it was never read.
  const ofDevices = said.findings.filter(finding => !/records are missing/.test(finding))
  return [
    {
      what: 'generators: nothing lost, nothing twice, nothing out of order',
      verdict: wrong === 0 ? 'holds' : 'fails',
      detail: `${generated.records} records, ${lost} lost, ${repeated} repeated, ${outOfOrder} out of order, ${declaredLost} declared as a gap${findings.map(each => `; ${each}`).join('')}`,
    },
    {
      what: 'serial devices: nothing twice, nothing out of order, nothing changed',
      verdict: said.repeated + said.outOfOrder + ofDevices.length === 0 ? 'holds' : 'fails',
      detail: `${said.records} records, ${said.lost} lines said while nobody read${ofDevices.map(each => `; ${each}`).join('')}`,
    },
  ]
}

/**
 * Cores have the work in turn: one that has just been given it fills up to what the other had, and that is no leak. So their memory is judged
 * together, by the one that has most; what leaks passes it sooner or later, whichever it is.
 */
function judged(all: ReadonlyMap<string, readonly Point[]>, what: Measured): ReadonlyMap<string, readonly Point[]> {
  if (what !== 'memory') return all
  const isCore = (name: string) => plant.cores.some(core => core.name === name)
  const cores = [...all].filter(([name]) => isCore(name)).map(([, points]) => points)
  return new Map([...[...all].filter(([name]) => !isCore(name)), ['the larger core', largest(cores)]])
}

function judgeFlatness(measurements: Measurements, what: Measured & keyof typeof ALLOWED, lastedMs: number): Judgement[] {
  const { unit, ...allowed } = ALLOWED[what]
  return [...judged(measurements.of(what), what)].map(([name, points]) => {
    const judged = points.filter(([atMs]) => atMs >= lastedMs / 2).length
    if (judged < POINTS_MIN) {
      const detail = `measured only ${judged} times over the second half: it did not run, or could not be looked at`
      return { what: `${name}: ${what} flat`, verdict: lastedMs < JUDGED_FROM_MS ? 'not judged' : 'fails', detail }
    }
    const { flat, rise, median, allowed: bound } = flatness(points, lastedMs, allowed)
    const told = `${rise.toFixed(1)} ${unit} gained over the second half at a median of ${median.toFixed(1)}, ${bound.toFixed(1)} allowed`
    const verdict = lastedMs < JUDGED_FROM_MS ? 'not judged' : flat ? 'holds' : 'fails'
    return { what: `${name}: ${what} flat`, verdict, detail: told }
  })
}
