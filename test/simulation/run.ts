import { PROPERTY } from '../../src/amqp/messages.ts'
import { ASK_IDLE_END_AFTER_MS } from '../../src/link/lane.ts'
import { HeadraceError, messageOf } from '../../src/runtime/errors.ts'
import { cutBatch } from '../support/batches.ts'
import type { CommitTrap } from './gateway-disk.ts'
import { Invariants } from './invariants.ts'
import { GATEWAY, type Parts, Plant } from './plant.ts'
import { CORES, type Event, type Schedule } from './schedule.ts'

/** Simulated time in which everything has to be in the log once faults are over, ms. */
const DRAIN_LIMIT_MS = 900_000
/** A gap at the end of a silent source is declared after a minute, one that followed it after another, ms. */
const SILENCE_MS = 130_000
/** The end of a source that is silent is asked for after so long, ms. */
const IDLE_MS = ASK_IDLE_END_AFTER_MS + 10_000
/** Said by each device at the end. */
const BURST_RECORDS = 20
/** An operator's resume is answered within this, or not at all, ms. */
const RESUME_LIMIT_MS = 40_000

export interface Outcome {
  /** What broke; empty where everything held. */
  readonly findings: readonly string[]
  /** Sources that were frozen at the end of the faults. */
  readonly frozen: number
}

/** Runs a schedule to its end, ends all faults, lets everything drain, and looks at what lies in the log. The same schedule gives the same run. */
export async function run(schedule: Schedule, parts: Parts = {}): Promise<Outcome> {
  const plant = new Plant(schedule, parts)
  const invariants = new Invariants(plant)
  try {
    await plant.heal()
    await plant.clock.pass(50)
    for (const event of schedule.events) {
      await happen(plant, invariants, event)
      await plant.clock.pass(0)
      await invariants.look()
      if (invariants.findings.length > 0) return { findings: invariants.findings, frozen: 0 }
    }
    return await finish(plant, invariants)
  } catch (cause) {
    invariants.found(`something threw: ${messageOf(cause)}`)
    return { findings: invariants.findings, frozen: 0 }
  } finally {
    plant.end()
    await plant.clock.pass(1_000)
  }
}

async function finish(plant: Plant, invariants: Invariants): Promise<Outcome> {
  await plant.heal()
  await drain(plant, invariants)
  const frozen = frozenSources(plant)
  await invariants.look()
  // An opening for the sake of one may show that another has to be frozen too.
  for (let time = 0; time < plant.devices.size && frozenSources(plant) > 0; time++) {
    await plant.resumeFrozen()
    await plant.clock.pass(RESUME_LIMIT_MS)
    await drain(plant, invariants)
  }
  if (frozenSources(plant) > 0) invariants.found('a resume did not help')
  if (frozenSources(plant) === 0 && !invariants.tailIsMissing) await burst(plant, invariants)
  await plant.clock.pass(invariants.tailIsMissing ? IDLE_MS : SILENCE_MS)
  await drain(plant, invariants)
  await invariants.lookAtAll()
  return { findings: invariants.findings, frozen }
}

async function drain(plant: Plant, invariants: Invariants): Promise<void> {
  const drained = await plant.clock.passUntil(() => isDrained(plant), DRAIN_LIMIT_MS)
  if (!drained) invariants.found(`not everything drains: ${stateText(plant)}`)
}

/** Where nothing goes wrong whatever waits at a bound is called when there is room: one that is not is helped by a new session, which nothing else asks for now. */
async function burst(plant: Plant, invariants: Invariants): Promise<void> {
  // A log that was told to refuse the next batch does so once; the record that would be in it may have given way to others.
  for (const device of plant.devices.values()) device.says(1, 200)
  await drain(plant, invariants)
  plant.log.refuseNoMore()
  const session = plant.link?.status().session
  for (const device of plant.devices.values()) device.says(BURST_RECORDS, 200)
  await drain(plant, invariants)
  if (plant.link?.status().session !== session) invariants.found(`a session stood still: ${stateText(plant)}`)
}

function frozenSources(plant: Plant): number {
  return (plant.link?.status().sources ?? []).filter(({ state }) => state === 'frozen').length
}

function isDrained(plant: Plant): boolean {
  if (plant.startFailure !== undefined) return true
  const { buffer } = plant
  if (!buffer) return false
  if (isHeldUp(plant)) return true
  for (const device of plant.devices.values()) if (device.waits && !buffer.outlet(device.source)?.frozen) return false
  return buffer
    .outlets()
    .every(outlet => outlet.frozen !== undefined || (outlet.settled === outlet.next && outlet.buffered().records === 0))
}

/** What a frozen source has cut gives way to nobody: where it fills the buffer, the others go on once a person has decided. */
function isHeldUp(plant: Plant): boolean {
  return frozenSources(plant) > 0 && (plant.gatewayAlarms?.list() ?? []).some(({ code }) => code === 'buffer_full')
}

function stateText(plant: Plant): string {
  const outlets = plant.buffer?.outlets() ?? []
  const sources = outlets.map(outlet => {
    const { source, settled, position, next } = outlet
    return `${source} settled ${settled}, position ${position}, next ${next}, buffered ${outlet.buffered().records}`
  })
  return [`link ${plant.link?.status().state}`, ...sources].join('; ')
}

async function happen(plant: Plant, invariants: Invariants, event: Event): Promise<void> {
  const { clock, network, log, disk, random } = plant
  switch (event.what) {
    case 'records':
      return plant.devices.get(event.source)?.says(event.count, event.bytes)
    case 'time passes':
      return clock.pass(event.ms)
    case 'connections cut':
      return network.cut()
    case 'connection cut at a message': {
      let left = event.after
      network.cuts = way => way === event.way && --left === 0
      return
    }
    case 'gateway killed':
      return plant.gatewayDown(event.downMs)
    case 'power cut in a commit':
      disk.traps.push(powerCut(plant, event))
      return
    case 'commits fail':
      for (let time = 0; time < event.times; time++)
        disk.traps.push({ after: event.after + time, at: event.at, spring: () => full(invariants) })
      return
    case 'disk slow':
      disk.latencyMs = event.ms
      return
    case 'core killed':
      return plant.coreDown(event.core, event.downMs)
    case 'core frozen':
      return plant.freezeCore(event.core)
    case 'cores woken':
      return plant.wakeCores()
    case 'append goes wrong': {
      let left = event.after
      log.fault = () => (--left === 0 ? event.how : undefined)
      return
    }
    case 'a batch is refused for good': {
      const claim = await plant.claimOf(event.source)
      if (claim) log.refuseForGood(claim)
      return
    }
    case 'a batch is hurt on its way': {
      let left = event.after
      network.hurts = ({ properties }) => properties[PROPERTY.sequence] !== undefined && --left === 0
      return
    }
    case 'topic set wrong':
      log.setWrong = true
      for (const core of CORES) plant.coreDown(core, 1)
      clock.after(event.forMs, () => log.setRight())
      return
    case 'producers forgotten':
      for (const claim of await log.claims()) log.forgetSilentProducers(claim)
      return
    case 'connections of the log lost':
      return log.voidProofs()
    case 'log away':
      log.away = true
      clock.after(event.forMs, () => {
        log.away = false
      })
      return
    case 'log slow':
      log.latencyMs = event.ms
      return
    case 'tail of the log lost': {
      const claim = await plant.claimOf(event.source)
      const borders = claim ? log.borders(claim) : []
      const from = borders.at(-event.batches) ?? borders[0]
      if (claim && from !== undefined) {
        invariants.tailLost(event.source, claim, from)
        log.loseTail(claim, from)
      }
      return
    }
    case 'database lost':
      return plant.gatewayDown(event.downMs, () => {
        disk.loseDatabase()
        invariants.databaseLost()
      })
    case 'state copied':
      if (!plant.buffer) return
      return disk.backUp()
    case 'copy restored':
      return plant.gatewayDown(event.downMs, () => {
        if (disk.restore()) invariants.copyRestored()
      })
    case 'intruder': {
      const claim = await plant.claimOf(event.source)
      if (!claim) return
      invariants.intruded(event.source)
      const { next } = log.bounds(claim)
      log.intrude(claim, cutBatch(next, random.between(1, 4), { key: `${GATEWAY}/${event.source}`, producerId: 4_000 }).bytes)
      return
    }
    case 'clock jumps':
      return clock.jump(event.ms)
    case 'operator resumes':
      return plant.resumeFrozen()
  }
}

function powerCut(plant: Plant, { after, at, downMs }: Extract<Event, { what: 'power cut in a commit' }>): CommitTrap {
  const spring = (): never => {
    plant.gatewayDown(downMs)
    throw new HeadraceError('internal', 'the power is gone')
  }
  return { after, at, spring }
}

function full(invariants: Invariants): never {
  invariants.commitFailed()
  throw new HeadraceError('disk_full', 'no space left on device')
}
