import { join } from 'node:path'
import { readMarks } from '../../src/buffer/marks.ts'
import { DEAD_HEADER, DEAD_LETTER_TOPIC } from '../../src/ingress/dead-letters.ts'
import type { Claim, Place } from '../../src/log/log.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { parseGap } from '../../src/record/gap.ts'
import { HEADER } from '../../src/record/record.ts'
import type { Plant } from './plant.ts'

/** Faults after which a source may be frozen: somebody else wrote, or this gateway knows less than it did. */
interface Excuse {
  readonly source: string | undefined
  readonly what: string
}

/** What has to hold at every moment, and at the end. */
export class Invariants {
  readonly #plant: Plant
  readonly #found: string[] = []
  readonly #excuses: Excuse[] = []
  /** Sources whose settled numbers may be ahead of the log: until it ends again where it ended before it lost its tail. */
  readonly #cutBack = new Map<string, number>()
  /** What a consumer that reads all the time has seen, by source and offset; null for a placeholder. */
  readonly #seen = new Map<string, (string | null)[]>()

  /** Since when a gateway says that a source's database is lost. */
  readonly #lostSince = new Map<string, string>()
  #mayBeEmpty = false
  #databaseLost = false

  constructor(plant: Plant) {
    this.#plant = plant
    plant.log.onStored = (place, bytes, offset) => this.#stored(place, bytes, offset)
  }

  get findings(): readonly string[] {
    return [...new Set([...this.#found, ...this.#plant.wire.findings])].slice(0, 8)
  }

  /** The log lacks a tail that it had, as far as is known. */
  get tailIsMissing(): boolean {
    return this.#cutBack.size > 0
  }

  found(what: string): void {
    this.#found.push(what)
  }

  tailLost(source: string, claim: Claim, from: number): void {
    const { next } = this.#plant.log.bounds(claim)
    this.#cutBack.set(source, Math.max(next, this.#cutBack.get(source) ?? 0))
    if (from < claim.epochStart) this.#excuses.push({ source, what: 'the log lost more than an epoch' })
  }

  databaseLost(): void {
    this.#databaseLost = true
    // Killed before its first commit, it finds it lost once more.
    this.#mayBeEmpty = true
    const marks = readMarks(join(this.#plant.disk.folder, 'marks.json'))
    for (const { source, ledger } of this.#plant.devices.values()) {
      // Before its first opening nothing outside of the database knows of a source.
      ledger.diskLost(marks.sources[source]?.assignment ? 'ruined' : 'unsure')
      // It goes on at its mark, and fills what lies before at the next opening.
      this.#cutBack.set(source, 0)
    }
  }

  /** A database that was lost may be empty still when the gateway is killed. */
  commitFailed(): void {
    this.#mayBeEmpty = true
  }

  /** It finds its database lost though nobody took it away since. */
  #noteLost(source: string): void {
    const alarm = this.#plant.gatewayAlarms?.list().find(each => each.code === 'buffer_lost' && each.source === source)
    if (!this.#mayBeEmpty || !alarm || this.#lostSince.get(source) === alarm.since) return
    this.#lostSince.set(source, alarm.since)
    this.#cutBack.set(source, this.#cutBack.get(source) ?? 0)
  }

  copyRestored(): void {
    this.#plant.wire.forget()
    this.#excuses.push({ source: undefined, what: 'an older copy was restored' })
    for (const { ledger } of this.#plant.devices.values()) ledger.diskLost('unsure')
  }

  intruded(source: string): void {
    this.#excuses.push({ source, what: 'somebody else wrote' })
  }

  async look(): Promise<void> {
    const { buffer, link, log, startFailure } = this.#plant
    if (startFailure !== undefined) this.found(`the gateway does not start: ${startFailure}`)
    for (const outlet of buffer?.outlets() ?? []) {
      const { source, settled, position, next } = outlet
      if (settled > position || position > next) this.found(`${source}: settled ${settled}, position ${position}, next ${next}`)
      const claim = await this.#plant.claimOf(source)
      if (!claim || outlet.frozen) continue
      const end = log.bounds(claim).next
      this.#noteLost(source)
      if (settled <= end && end >= (this.#cutBack.get(source) ?? 0)) this.#cutBack.delete(source)
      else if (settled > end && !this.#cutBack.has(source)) this.found(`${source}: ${settled} is settled, the log ends at ${end}`)
    }
    for (const { source, state, reason } of link?.status().sources ?? []) {
      if (state !== 'frozen') continue
      if (this.#isRace(reason)) this.#excuses.push({ source, what: 'placeholders came across a batch of before' })
      if (!this.#excuses.some(excuse => excuse.source === undefined || excuse.source === source)) {
        this.found(`${source} is frozen without need: ${reason}`)
      }
    }
  }

  /** What was on its way when the database was lost may arrive after the opening, within the numbers that are filled: that needs a person. */
  #isRace(reason: string | undefined): boolean {
    return this.#databaseLost && reason?.includes('straddles') === true
  }

  /** At the end, when everything has drained. */
  async lookAtAll(): Promise<void> {
    await this.look()
    const { devices, log } = this.#plant
    for (const { source, ledger } of devices.values()) {
      // Somebody else's numbers are not ours to judge; an older copy may say again what it had not yet cut.
      if (this.#excuses.some(excuse => excuse.source === undefined || excuse.source === source)) continue
      const claim = await this.#plant.claimOf(source)
      for (const finding of ledger.findings(claim ? log.records(claim) : [])) this.found(finding)
    }
    await this.#lookAtDeadLetters()
  }

  /** What was given up for good was refused for good, and lies whole in the dead letters. */
  async #lookAtDeadLetters(): Promise<void> {
    const { log } = this.#plant
    const claims = await log.claims()
    const letters = claims.filter(({ topic }) => topic === DEAD_LETTER_TOPIC).flatMap(claim => log.records(claim))
    const kept = letters.map(({ value, headers }) => {
      const text = (name: string) => headers.find(({ key }) => key === name)?.value.toString()
      const { topic, partition, sequence } = DEAD_HEADER
      return { at: `${text(topic)}[${text(partition)}] ${text(sequence)}`, bytes: value ?? Buffer.alloc(0) }
    })
    for (const claim of claims.filter(({ topic }) => topic !== DEAD_LETTER_TOPIC)) {
      for (const { sequence, headers } of log.records(claim)) {
        const gap = headers.find(({ key }) => key === HEADER.gap)
        if (!gap || parseGap(gap.value)?.reason !== 'dead_letter') continue
        const at = `${claim.topic}[${claim.partition}] ${sequence}`
        // A database that was lost may have put other records under the same numbers, which were refused as well.
        const refused = log.refusedForGood.filter(
          one => one.place.topic === claim.topic && one.place.partition === claim.partition && one.sequence === sequence,
        )
        const isKept = refused.some(one => kept.some(letter => letter.at === at && letter.bytes.equals(one.bytes)))
        if (refused.length === 0) this.found(`${at} was given up, though it was not refused for good`)
        else if (!isKept) this.found(`${at} was given up, and kept nowhere`)
      }
    }
  }

  /** What was read once at an offset stays what it is, or becomes a placeholder after the log has lost it. */
  #stored({ topic, partition }: Place, bytes: Buffer, offset: number): void {
    const key = `${topic}[${partition}]`
    const seen = this.#seen.get(key) ?? []
    this.#seen.set(key, seen)
    for (const [index, { value }] of decodeBatch(bytes).entries()) {
      const text = value === null ? null : value.subarray(0, 40).toString('latin1')
      const before = seen[offset + index]
      if (before !== undefined && text !== null && before !== text && this.#excuses.length === 0) {
        this.found(`${key}: offset ${offset + index} held ${before}, and now ${text}`)
      }
      seen[offset + index] = text
    }
  }
}
