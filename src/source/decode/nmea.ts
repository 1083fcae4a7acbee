import { readAis } from './ais.ts'
import { AisGroups } from './ais-groups.ts'
import type { Decoded, Decoder, OnTrouble } from './decoder.ts'

/*
  Sentence (NMEA 0183, as described in the public gpsd documentation, "NMEA Revealed")
    "$" talker (2) type (3) ("," field)* "*" checksum (2 hexadecimal digits: XOR of all between "$" and "*")
    A talker that begins with P is a maker's three letters, with whatever it names its own sentences behind them.
    "!" begins those whose payload is packed (AIS). A tag block ("\\" … "\\", NMEA 4.10) may stand before either and is passed over.
*/
const TAG_BLOCK = /^\\[^\\]*\\/
const SENTENCE = /^[$!]([A-Z]{2}|P)((?<=^.P.?)[A-Z0-9]{1,12}|[A-Z0-9]{1,4})((?:,[^,*]*)*)(?:\*([0-9A-Fa-f]{2}))?$/

type Read = (fields: readonly string[]) => Record<string, unknown>

const number = (text: string | undefined) => (text === undefined || text === '' ? null : Number(text))

/** `ddmm.mmmm` and a hemisphere, as degrees. */
function degrees(value: string | undefined, hemisphere: string | undefined): number | null {
  if (!value) return null
  const point = value.indexOf('.') < 0 ? value.length : value.indexOf('.')
  const whole = Number(value.slice(0, point - 2)) + Number(value.slice(point - 2)) / 60
  const signed = hemisphere === 'S' || hemisphere === 'W' ? -whole : whole
  return Number(signed.toFixed(7))
}

/** `hhmmss.ss` as `hh:mm:ss.ss`. */
function time(value: string | undefined): string | null {
  return value && value.length >= 6 ? `${value.slice(0, 2)}:${value.slice(2, 4)}:${value.slice(4)}` : null
}

/** `ddmmyy` as `yyyy-mm-dd`; GPS began in 1980. */
function date(value: string | undefined): string | null {
  if (value?.length !== 6) return null
  const century = value.slice(4) < '80' ? '20' : '19'
  return `${century}${value.slice(4)}-${value.slice(2, 4)}-${value.slice(0, 2)}`
}

const TYPES: Readonly<Record<string, Read>> = {
  GGA: f => ({
    time: time(f[0]),
    lat: degrees(f[1], f[2]),
    lon: degrees(f[3], f[4]),
    quality: number(f[5]),
    satellites: number(f[6]),
    hdop: number(f[7]),
    altitude_m: number(f[8]),
  }),
  RMC: f => ({
    time: time(f[0]),
    valid: f[1] === 'A',
    lat: degrees(f[2], f[3]),
    lon: degrees(f[4], f[5]),
    speed_kn: number(f[6]),
    course_deg: number(f[7]),
    date: date(f[8]),
  }),
  GLL: f => ({ lat: degrees(f[0], f[1]), lon: degrees(f[2], f[3]), time: time(f[4]), valid: f[5] === 'A' }),
  VTG: f => ({ course_deg: number(f[0]), speed_kn: number(f[4]), speed_kmh: number(f[6]) }),
  HDT: f => ({ heading_deg: number(f[0]) }),
  ZDA: f => ({ time: time(f[0]), date: f[3] && f[2] && f[1] ? `${f[3]}-${f[2]}-${f[1]}` : null }),
  DBT: f => ({ depth_m: number(f[2]) }),
  MTW: f => ({ water_c: number(f[0]) }),
  VHW: f => ({ heading_deg: number(f[0]), heading_magnetic_deg: number(f[2]), speed_kn: number(f[4]) }),
  MDA: f => ({
    pressure_bar: number(f[2]),
    air_c: number(f[4]),
    water_c: number(f[6]),
    humidity_pct: number(f[8]),
    dew_point_c: number(f[10]),
    wind_deg: number(f[12]),
    wind_m_s: number(f[18]),
  }),
  ROT: f => ({ turn_deg_min: number(f[0]), valid: f[1] === 'A' }),
  DPT: f => ({ depth_m: number(f[0]), offset_m: number(f[1]) }),
  MWV: f => ({ angle_deg: number(f[0]), reference: f[1] ?? null, speed: number(f[2]), unit: f[3] ?? null, valid: f[4] === 'A' }),
}

/**
 * NMEA 0183: a sentence becomes a JSON object; types that are not known keep their fields as a list. An AIS message in several sentences becomes one
 * object, when its last part has come.
 */
export function nmeaDecoder(onTrouble: OnTrouble): Decoder {
  const groups = new AisGroups(onTrouble)
  return (bytes, from, to): Decoded => {
    const line = bytes.toString('latin1', from, to).trim().replace(TAG_BLOCK, '')
    const match = SENTENCE.exec(line)
    if (!match) return { error: 'not an NMEA 0183 sentence' }
    const [, talker = '', type = '', list = '', checksum] = match
    if (checksum !== undefined) {
      const computed = xor(line)
      if (computed !== Number.parseInt(checksum, 16)) {
        return { error: `checksum ${checksum.toUpperCase()}, computed ${computed.toString(16).toUpperCase().padStart(2, '0')}` }
      }
    }
    const fields = list.split(',').slice(1)
    if (type === 'VDM' || type === 'VDO') return decodeAis(groups, talker, type, fields)
    const read = TYPES[type]
    return toJson({ talker, type, ...(read ? read(fields) : { fields }) })
  }
}

function decodeAis(groups: AisGroups, talker: string, type: string, fields: readonly string[]): Decoded {
  const whole = groups.add(fields)
  if (whole === undefined) return { held: true }
  if (typeof whole === 'string') return { error: whole }
  const message = readAis(whole.payload, whole.fill)
  if (typeof message === 'string') return { error: message }
  return toJson({ talker, type, ...(fields[3] && { channel: fields[3] }), ...message })
}

function toJson(value: object): Decoded {
  return { value: Buffer.from(JSON.stringify(value)) }
}

/** XOR of all characters between the first and the `*`. */
function xor(line: string): number {
  let sum = 0
  for (let at = 1; at < line.length && line[at] !== '*'; at++) sum ^= line.charCodeAt(at)
  return sum
}
