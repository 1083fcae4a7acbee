import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { consumeTopic } from '../support/kafka/consume.ts'
import { SeededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'
import { checkBatchOutputs } from './batch-outputs.ts'
import { check, type Verdict } from './checker.ts'
import { KafkaProxy } from './faults/kafka-proxy.ts'
import { LiveReader } from './live-reader.ts'
import { PLANT_DEFAULTS, Plant } from './plant.ts'
import type { Proof, Scenario, Stage } from './scenario.ts'

/** How long the first records may take to the log: topics are made meanwhile, ms. */
const FIRST_RECORDS_LIMIT_MS = 90_000
const MOVE_LIMIT_MS = 120_000
/** How long it may take until all is in the log once the fault is over, ms: no back-off in it is longer than 30 s. */
const DRAIN_LIMIT_MS = 120_000
/** A scenario may end with a core that was just started again, ms. */
const CORE_LIMIT_MS = 60_000
const LOG_LINES_SHOWN = 40

/** Whether nothing is wrong. */
export function isProven(proof: Proof, gaps: Scenario['gaps']): boolean {
  const isClean = ({ lost, repeated, outOfOrder, declaredLost, overdeclared, findings }: Verdict) => {
    if (lost + repeated + outOfOrder > 0 || findings.length > 0) return false
    if (gaps === undefined) return declaredLost === 0
    return gaps === 'declared' || overdeclared === 0
  }
  return isClean(proof.log) && isClean(proof.live) && proof.contradictions.length === 0 && proof.batch.length === 0
}

/**
 * Builds the plant, strikes, lets it come to rest, and gives what was found; undefined where the scenario ends frozen. Rejects where it does not
 * recover.
 */
export async function runScenario(scenario: Scenario, sharedBootstrap: string, seed: number): Promise<Proof | undefined> {
  const random = new SeededRandom(seed)
  const proxyPort = scenario.proxied && (await freePort())
  const proxies = proxyPort ? [await KafkaProxy.open(proxyPort)] : []
  const kafka = await openKafka(scenario, sharedBootstrap, proxyPort)
  proxies[0]?.leadsTo(kafka.port(1))
  let plant: Plant | undefined
  let reader: LiveReader | undefined
  try {
    const brokers = proxyPort ? [`127.0.0.1:${proxyPort}`] : kafka.addresses
    // Several runs of one scenario, on one broker, are several gateways.
    const name = `${scenario.id}-${seed.toString(36)}`
    const own = typeof scenario.plant === 'function' ? await scenario.plant({ kafka, brokers, name, random }) : scenario.plant
    plant = await Plant.create({ ...PLANT_DEFAULTS, name, brokers, seed: seed % 1_000_000, ...own })
    const stage = stageOf(scenario, { plant, kafka, proxies, random })
    for (const core of plant.cores) core.start()
    plant.edge.start()
    await plant.reading()
    await plant.devices.go()
    await until('the first records are in the log', () => isMoving(stage.plant), FIRST_RECORDS_LIMIT_MS)
    reader = await LiveReader.start(brokers, plant.topic)
    await scenario.strike(stage)
    if (scenario.endsFrozen) return undefined
    const proof = await comeToRest(scenario, stage, reader)
    console.log(`${scenario.id}: ${tell(proof)}`)
    await scenario.judge?.(stage, proof)
    return proof
  } catch (error) {
    if (plant) console.log(await situation(plant))
    throw error
  } finally {
    await reader?.stop().catch(() => {})
    await plant?.end()
    await scenario.cleanUp?.()
    await kafka.stop()
    for (const proxy of proxies) await proxy.close()
  }
}

async function openKafka({ cluster }: Scenario, sharedBootstrap: string, proxyPort: number | undefined): Promise<KafkaCluster> {
  if (!cluster && !proxyPort) return KafkaCluster.at(sharedBootstrap)
  const options = typeof cluster === 'function' ? await cluster() : cluster
  return KafkaCluster.start({ ...options, ...(proxyPort ? { advertisedPorts: [proxyPort] } : {}) })
}

function stageOf(scenario: Scenario, parts: Pick<Stage, 'plant' | 'kafka' | 'proxies' | 'random'>): Stage {
  const { plant } = parts
  const startedMs = performance.now()
  return {
    ...parts,
    async step(what, act) {
      console.log(`${scenario.id} ${((performance.now() - startedMs) / 1_000).toFixed(1)} s: ${what}`)
      await act?.()
    },
    async moves(records = 20) {
      const before = await until('the gateway says how far it is', () => plant.settled())
      await until(
        `${records} more records of every source are in the log`,
        async () => {
          const now = await plant.settled()
          return [...before].every(([source, from]) => (now?.get(source) ?? -1) >= plant.furtherBy(records, source, from))
        },
        scenario.moveLimitMs ?? MOVE_LIMIT_MS,
      )
    },
    lasts: ms => sleep(ms),
  }
}

async function isMoving(plant: Plant): Promise<boolean> {
  const status = await plant.edgeStatus()
  const sources = plant.options.devices + plant.options.counters
  return status?.sources.length === sources && status.sources.every(source => source.settled > 0)
}

/** The devices end, everything arrives, and what lies in the log is compared with what they gave. */
async function comeToRest(scenario: Scenario, stage: Stage, reader: LiveReader): Promise<Proof> {
  const { plant, kafka } = stage
  await plant.devices.rest()
  const last = plant.lastValues()
  const isRead = () => last.every(value => reader.hasSeen(value))
  const limitMs = scenario.restLimitMs ?? DRAIN_LIMIT_MS
  await until('the reader has them', isRead, limitMs / 2).catch(async () => {
    console.log(`${scenario.id}: the consumer is begun anew`)
    await reader.renew()
  })
  await until('the reader has the last record of every source', isRead, limitMs / 2)
  await until('the gateway knows it', async () =>
    (await plant.edgeStatus())?.sources.every(({ next, settled, buffered }) => next === settled && buffered.records === 0),
  )
  await until('the core can be asked', () => plant.coreStatus(), CORE_LIMIT_MS)
  const ran = await plant.command('batch', 'run', 'copy')
  if (ran.code !== 0) throw new Error(`the batch job failed: ${ran.stdout}${ran.stderr}`)
  const consumed = await consumeTopic(kafka.addresses, plant.topic)
  const partitions = await partitionsOf(kafka)
  const sources = new Map([...plant.expected(partitions), ...(scenario.also?.(stage, partitions) ?? [])])
  // A consumer whose partitions become more begins anew meanwhile. What it does not get in time is judged as lost.
  await until('the reader has as much', () => reader.read >= consumed.length).catch(() => {})
  const live = reader.records()
  return {
    log: check({ sources }, consumed),
    live: check({ sources }, live),
    contradictions: reader.contradictions,
    batch: checkBatchOutputs(plant.path('out'), consumed).slice(0, 20),
  }
}

/** Where each source lies, as any consumer learns it. */
async function partitionsOf(kafka: KafkaCluster): Promise<Map<string, number>> {
  const entries = (await consumeTopic(kafka.addresses, 'headrace.sources')).filter(({ key, value }) => key && value)
  return new Map(entries.map(({ key, value }) => [String(key), (JSON.parse(String(value)) as { partition: number }).partition]))
}

function tell({ log, live, batch, contradictions }: Proof): string {
  const counts = ({ records, lost, repeated, outOfOrder, declaredLost, atRisk, findings }: Verdict) =>
    `${records} records, ${lost} lost, ${repeated} repeated, ${outOfOrder} out of order, ${declaredLost} declared lost, ${atRisk} at risk, ${findings.length} findings`
  return `in the log ${counts(log)}; read all the time ${counts(live)}, ${contradictions.length} contradictions; batch ${batch.length} findings`
}

/** What a person would look at first. */
async function situation(plant: Plant): Promise<string> {
  const logs = [plant.edge, ...plant.cores].map(({ name, logPath }) => {
    const lines = readFileSync(logPath, { encoding: 'utf8', flag: 'a+' }).trim().split('\n')
    return `── ${name}\n${lines.slice(-LOG_LINES_SHOWN).join('\n')}`
  })
  const [edge, core] = [await plant.edgeStatus(), await plant.coreStatus()]
  return [...logs, `── status\n${JSON.stringify(edge, null, 1)}\n${JSON.stringify(core?.alarms, null, 1)}`].join('\n')
}
