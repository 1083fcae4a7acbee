import { describe, expect, test } from 'vitest'
import { nmeaDecoder } from '../../src/source/decode/nmea.ts'

/** Decodes sentence after sentence; gives what came of each, and what was counted. */
function decodeAll(lines: readonly string[]) {
  const troubles: string[] = []
  const decoder = nmeaDecoder(what => troubles.push(what))
  const results = lines.map(line => {
    const bytes = Buffer.from(line, 'latin1')
    const result = decoder(bytes, 0, bytes.length)
    return 'value' in result ? JSON.parse(result.value.toString('utf8')) : result
  })
  return { results, troubles }
}

/** A sentence with the checksum that it should have. */
function sentence(body: string): string {
  let sum = 0
  for (const letter of body) sum ^= letter.charCodeAt(0)
  return `!${body}*${sum.toString(16).toUpperCase().padStart(2, '0')}`
}

/*
  Real sentences: of the public gpsd documentation ("AIVDM/AIVDO protocol decoding", sample.aivdm), with what gpsd reads in them.
*/
const CLASS_A = '!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C'
const VOYAGE = [
  '!AIVDM,2,1,3,B,55P5TL01VIaAL@7WKO@mBplU@<PDhh000000001S;AJ::4A80?4i@E53,0*3E',
  '!AIVDM,2,2,3,B,1@0000000000000,2*55',
] as const
const CLASS_B = '!AIVDM,1,1,,A,B52K>;h00Fc>jpUlNV@ikwpUoP06,0*4C'
const STATIC_A = '!AIVDM,1,1,,A,H42O55i18tMET00000000000000,2*6D'
const STATIC_B = '!AIVDM,1,1,,A,H42O55lt0000000D3nink000?0500,0*70'

const VOYAGE_READ = {
  talker: 'AI',
  type: 'VDM',
  channel: 'B',
  message: 5,
  mmsi: 369190000,
  kind: 'voyage',
  imo: 6710932,
  call_sign: 'WDA9674',
  ship_name: 'MT.MITCHELL',
  ship_type: 99,
  to_bow_m: 90,
  to_stern_m: 90,
  to_port_m: 10,
  to_starboard_m: 10,
  eta: { month: 1, day: 2, hour: 8, minute: 0 },
  draught_m: 6,
  destination: 'SEATTLE',
}

describe('messages', () => {
  test('a position of class A', () => {
    expect(decodeAll([CLASS_A]).results).toEqual([
      {
        talker: 'AI',
        type: 'VDM',
        channel: 'B',
        message: 1,
        mmsi: 477553000,
        kind: 'position',
        status: 5,
        turn: 0,
        speed_kn: 0,
        lat: 47.582833,
        lon: -122.345833,
        course_deg: 51,
        heading_deg: 181,
        second: 15,
      },
    ])
  })

  test.each([2, 3])('message %i has the fields of message 1', type => {
    const payload = `${String.fromCharCode(48 + type)}77KQJ5000G?tO\`K>RA1wUbN0TKH`
    const [read] = decodeAll([sentence(`AIVDM,1,1,,B,${payload},0`)]).results
    expect(read).toMatchObject({ message: type, mmsi: 477553000, lat: 47.582833 })
  })

  test('a voyage, in two sentences', () => {
    expect(decodeAll(VOYAGE).results).toEqual([{ held: true }, VOYAGE_READ])
  })

  test('a position of class B; what is not known is null', () => {
    expect(decodeAll([CLASS_B]).results[0]).toMatchObject({
      message: 18,
      mmsi: 338087471,
      speed_kn: 0.1,
      lat: 40.68454,
      lon: -74.072132,
      course_deg: 79.6,
      heading_deg: null,
      second: 49,
    })
  })

  test('the two parts of what a class B ship is', () => {
    const [a, b] = decodeAll([STATIC_A, STATIC_B]).results
    expect(a).toMatchObject({ message: 24, part: 'A', mmsi: 271041815, ship_name: 'PROGUY' })
    expect(b).toMatchObject({
      message: 24,
      part: 'B',
      mmsi: 271041815,
      ship_type: 60,
      call_sign: 'TC6163',
      to_bow_m: 0,
      to_stern_m: 15,
      to_port_m: 0,
      to_starboard_m: 5,
    })
  })

  test('a kind that is not known keeps its payload', () => {
    const [read] = decodeAll(['!AIVDM,1,1,,A,85Mwp`1Kf3aCnsNvBWLi=wQuNhA5t43N`5nCuI=p<IBfVqnMgPGs,0*47']).results
    expect(read).toMatchObject({ message: 8, mmsi: 366999712, fill: 0, payload: expect.stringMatching(/^85Mwp/) })
  })

  test('a tag block before the sentence is passed over', () => {
    const [read] = decodeAll([`\\g:1-2-73874,n:157036,s:r003669945,c:1241544035*4A\\${CLASS_A}`]).results
    expect(read).toMatchObject({ mmsi: 477553000 })
  })
})

describe('parts', () => {
  test('of several messages at once, on both channels, find together', () => {
    const other = VOYAGE.map(line => sentence(line.slice(1, -3).replace(',B,', ',A,')))
    const { results, troubles } = decodeAll([VOYAGE[0], other[0] ?? '', CLASS_A, other[1] ?? '', VOYAGE[1]])
    expect(results[3]).toEqual({ ...VOYAGE_READ, channel: 'A' })
    expect(results[4]).toEqual(VOYAGE_READ)
    expect(troubles).toEqual([])
  })

  test('that come in another order make the same message', () => {
    expect(decodeAll([VOYAGE[1], VOYAGE[0]]).results[1]).toEqual(VOYAGE_READ)
  })

  test('whose first was lost are counted when the next message of that id begins', () => {
    const { results, troubles } = decodeAll([VOYAGE[1], VOYAGE[1], VOYAGE[0]])
    expect(results[2]).toEqual(VOYAGE_READ)
    expect(troubles).toEqual(['an AIS message was not complete'])
  })

  test('whose rest never comes are dropped and counted, however many there are', () => {
    const firsts = Array.from({ length: 500 }, (_, index) =>
      sentence(`AIVDM,${2 + (index % 8)},1,${index % 10},${'AB'[index % 2]},55P5TL01VIaAL@7WKO@m,0`),
    )
    const { troubles } = decodeAll(firsts)
    // Ten at the most are waited for.
    expect(troubles.length).toBeGreaterThanOrEqual(490)
    expect(troubles.every(what => what === 'an AIS message was not complete')).toBe(true)
  })

  test('that are fifty sentences apart do not belong together', () => {
    const between = Array.from({ length: 50 }, () => CLASS_A)
    const { results, troubles } = decodeAll([VOYAGE[0], ...between, VOYAGE[1]])
    expect(results.at(-1)).toEqual({ held: true })
    expect(troubles).toEqual(['an AIS message was not complete'])
  })
})

describe('garbage', () => {
  test.each([
    ['part 0', sentence('AIVDM,1,0,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0'), 'part 0 of 1'],
    ['more parts than there can be', sentence('AIVDM,99,1,1,B,177,0'), 'part 1 of 99'],
    ['no fields at all', sentence('AIVDM'), 'part  of '],
    ['letters that are none', sentence('AIVDM,1,1,,B,17~~,0'), 'letters'],
    ['a message that was cut off', sentence('AIVDM,1,1,,B,177KQJ5000G?tO,0'), 'AIS message 1 has 84 bits and needs 143'],
    ['no message', sentence('AIVDM,1,1,,B,1,0'), '6 bits'],
    ['nine fill bits', sentence('AIVDM,1,1,,B,177KQJ5000G?tO,9'), 'fill bits'],
    ['a wrong checksum', CLASS_A.replace('*5C', '*5D'), 'checksum 5D, computed 5C'],
  ])('%s: the reason is given', (_what, line, why) => {
    expect(decodeAll([line]).results).toEqual([{ error: expect.stringContaining(why) }])
  })

  test('a sentence with any byte changed is not taken for the one that was sent', () => {
    for (let at = 1; at < CLASS_A.length - 3; at++) {
      const changed = `${CLASS_A.slice(0, at)}${String.fromCharCode(CLASS_A.charCodeAt(at) ^ 1)}${CLASS_A.slice(at + 1)}`
      expect(decodeAll([changed]).results[0]).toHaveProperty('error')
    }
  })
})
