import type { OnTrouble } from './decoder.ts'

/*
  Sentence (IEC 61162-1, VDM and VDO; gpsd, "AIVDM/AIVDO protocol decoding")
    parts, part, message id (0–9, of messages in parts), channel, payload, fill bits
*/

/** Messages of which parts are waited for at once: ids run from 0 to 9. */
const GROUPS_MAX = 10
/** A message whose rest has not come after so many sentences does not come any more: parts follow one another closely. */
const SENTENCES_MAX = 50
/** NMEA 0183 has one digit for the number of parts. */
const PARTS_MAX = 9

interface Group {
  readonly payloads: (string | undefined)[]
  readonly sentence: number
  fill: number
}

export interface AisPayload {
  readonly payload: string
  readonly fill: number
}

/** Puts the parts of AIS messages together. What never becomes whole is dropped and counted; it holds ten messages at the most. */
export class AisGroups {
  readonly #onTrouble: OnTrouble
  readonly #groups = new Map<string, Group>()
  #sentence = 0

  constructor(onTrouble: OnTrouble) {
    this.#onTrouble = onTrouble
  }

  /** The whole payload; undefined while parts are missing; as text, what is wrong. */
  add(fields: readonly string[]): AisPayload | undefined | string {
    const [partsText = '', partText = '', id = '', channel = '', payload = '', fillText = ''] = fields
    const [parts, part, fill] = [Number(partsText), Number(partText), Number(fillText)]
    if (!Number.isInteger(parts) || !Number.isInteger(part) || parts < 1 || parts > PARTS_MAX || part < 1 || part > parts)
      return `part ${partText} of ${partsText}`
    if (!/^[0-5]$/.test(fillText)) return `"${fillText}" fill bits`
    this.#sentence += 1
    this.#forgetOld()
    if (parts === 1) return { payload, fill }
    const key = `${channel},${id},${parts}`
    const group = this.#groupFor(key, parts, part)
    group.payloads[part - 1] = payload
    if (part === parts) group.fill = fill
    if (group.payloads.includes(undefined)) return undefined
    this.#groups.delete(key)
    return { payload: group.payloads.join(''), fill: group.fill }
  }

  /** The group that the part belongs to: a new one where the part is there already, since then the old one's rest was lost. */
  #groupFor(key: string, parts: number, part: number): Group {
    const known = this.#groups.get(key)
    if (known && known.payloads[part - 1] === undefined) return known
    if (known) this.#drop(key)
    if (this.#groups.size >= GROUPS_MAX) {
      const [oldest = key] = this.#groups.keys()
      this.#drop(oldest)
    }
    const group = { payloads: new Array<string | undefined>(parts).fill(undefined), sentence: this.#sentence, fill: 0 }
    this.#groups.set(key, group)
    return group
  }

  #forgetOld(): void {
    for (const [key, { sentence }] of this.#groups) {
      if (this.#sentence - sentence <= SENTENCES_MAX) return
      this.#drop(key)
    }
  }

  #drop(key: string): void {
    this.#groups.delete(key)
    this.#onTrouble('an AIS message was not complete')
  }
}
