/*
  AIS messages, as ITU-R M.1371 lays them out and the public gpsd documentation describes them ("AIVDM/AIVDO protocol decoding"): a payload of letters,
  six bits each, and in those bits fields without any border between. Positions are in 1/10000 minute, speeds in 1/10 knot, courses in 1/10 degree;
  each has a value that says "not known", which becomes null.
*/

type Fields = Readonly<Record<string, unknown>>

/** Letters that a payload may have: 48 to 87 and 96 to 119. */
const PAYLOAD = /^[0-W`-w]+$/
const LETTERS = '@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_ !"#$%&\'()*+,-./0123456789:;<=>?'

/** A payload's bits, read field by field. */
class Bits {
  readonly length: number
  readonly #sixes: Uint8Array

  constructor(payload: string, fill: number) {
    this.#sixes = Uint8Array.from(payload, letter => {
      const value = letter.charCodeAt(0) - 48
      return value > 40 ? value - 8 : value
    })
    this.length = payload.length * 6 - fill
  }

  unsigned(at: number, bits: number): number {
    let value = 0
    for (let bit = at; bit < at + bits; bit++) {
      const six = this.#sixes[Math.floor(bit / 6)] ?? 0
      value = value * 2 + ((six >> (5 - (bit % 6))) & 1)
    }
    return value
  }

  signed(at: number, bits: number): number {
    const value = this.unsigned(at, bits)
    return value >= 2 ** (bits - 1) ? value - 2 ** bits : value
  }

  /** Text of so many letters, up to the first `@`. */
  text(at: number, letters: number): string {
    let text = ''
    for (let index = 0; index < letters; index++) text += LETTERS[this.unsigned(at + index * 6, 6)] ?? ''
    return (text.split('@')[0] ?? '').trimEnd()
  }

  /** null where it has the value that stands for "not known". */
  known(at: number, bits: number, unknown: number, scale = 1): number | null {
    const value = this.unsigned(at, bits)
    return value === unknown ? null : Number((value * scale).toFixed(3))
  }

  position(at: number): { lat: number | null; lon: number | null } {
    const degrees = (value: number, max: number) =>
      Math.abs(value) > max * 600_000 ? null : Number((value / 600_000).toFixed(6))
    return { lat: degrees(this.signed(at + 28, 27), 90), lon: degrees(this.signed(at, 28), 180) }
  }

  /** Distances of the antenna from the sides of the ship. */
  size(at: number) {
    return {
      to_bow_m: this.unsigned(at, 9),
      to_stern_m: this.unsigned(at + 9, 9),
      to_port_m: this.unsigned(at + 18, 6),
      to_starboard_m: this.unsigned(at + 24, 6),
    }
  }

  movement(speedAt: number, positionAt: number, courseAt: number) {
    return {
      speed_kn: this.known(speedAt, 10, 1_023, 0.1),
      ...this.position(positionAt),
      course_deg: this.known(courseAt, 12, 3_600, 0.1),
      heading_deg: this.known(courseAt + 12, 9, 511),
      second: this.unsigned(courseAt + 21, 6),
    }
  }
}

interface Message {
  readonly name: string
  /** Fewer, and fields are missing. Some transmitters leave out the spare bits at the end. */
  readonly bitsMin: number
  readonly read: (bits: Bits) => Fields
}

const CLASS_A: Message = {
  name: 'position',
  bitsMin: 143,
  read: bits => ({
    status: bits.unsigned(38, 4),
    turn: bits.known(42, 8, 128) === null ? null : bits.signed(42, 8),
    ...bits.movement(50, 61, 116),
  }),
}

const MESSAGES: Readonly<Record<number, Message>> = {
  1: CLASS_A,
  2: CLASS_A,
  3: CLASS_A,
  4: {
    name: 'base_station',
    bitsMin: 134,
    read: bits => ({
      utc: utc([
        bits.unsigned(38, 14),
        bits.unsigned(52, 4),
        bits.unsigned(56, 5),
        bits.unsigned(61, 5),
        bits.unsigned(66, 6),
        bits.unsigned(72, 6),
      ]),
      ...bits.position(79),
    }),
  },
  5: {
    name: 'voyage',
    bitsMin: 422,
    read: bits => ({
      imo: bits.known(40, 30, 0),
      call_sign: bits.text(70, 7),
      ship_name: bits.text(112, 20),
      ship_type: bits.unsigned(232, 8),
      ...bits.size(240),
      eta: {
        month: bits.known(274, 4, 0),
        day: bits.known(278, 5, 0),
        hour: bits.known(283, 5, 24),
        minute: bits.known(288, 6, 60),
      },
      draught_m: bits.known(294, 8, 0, 0.1),
      destination: bits.text(302, 20),
    }),
  },
  18: { name: 'position_class_b', bitsMin: 139, read: bits => bits.movement(46, 57, 112) },
  19: {
    name: 'position_class_b_extended',
    bitsMin: 301,
    read: bits => ({
      ...bits.movement(46, 57, 112),
      ship_name: bits.text(143, 20),
      ship_type: bits.unsigned(263, 8),
      ...bits.size(271),
    }),
  },
  21: {
    name: 'aid_to_navigation',
    bitsMin: 219,
    read: bits => ({ aid_type: bits.unsigned(38, 5), aid_name: bits.text(43, 20), ...bits.position(164) }),
  },
  24: {
    name: 'static_class_b',
    bitsMin: 160,
    read: bits =>
      bits.unsigned(38, 2) === 0
        ? { part: 'A', ship_name: bits.text(40, 20) }
        : {
            part: 'B',
            ship_type: bits.unsigned(40, 8),
            vendor: bits.text(48, 3),
            call_sign: bits.text(90, 7),
            ...(bits.length >= 162 && bits.size(132)),
          },
  },
}

/** The fields of a whole message; as text, what is wrong with it. Kinds that are not known keep their payload. */
export function readAis(payload: string, fill: number): Fields | string {
  if (!PAYLOAD.test(payload)) return 'an AIS payload with letters that it cannot have'
  const bits = new Bits(payload, fill)
  if (bits.length < 38) return `an AIS message of ${bits.length} bits`
  const type = bits.unsigned(0, 6)
  const common = { message: type, mmsi: bits.unsigned(8, 30) }
  const message = MESSAGES[type]
  if (!message) return { ...common, payload, fill }
  if (bits.length < message.bitsMin) return `AIS message ${type} has ${bits.length} bits and needs ${message.bitsMin}`
  return { ...common, kind: message.name, ...message.read(bits) }
}

/** ISO 8601; null where a part says that it is not known. */
function utc([year = 0, month = 0, day = 0, hour = 24, minute = 60, second = 60]: readonly number[]): string | null {
  if (year === 0 || month === 0 || month > 12 || day === 0 || hour > 23 || minute > 59 || second > 59) return null
  const two = (value: number) => String(value).padStart(2, '0')
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:${two(second)}Z`
}
