import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/runtime/clock.ts'
import { decodeTelegram } from '../../src/source/decode/telegram.ts'
import { createFramer } from '../../src/source/framing/create-framer.ts'
import { frameOptions } from '../../src/source/framing/options.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'

/** What a Kaifa meter of DSMR 4.0 says; published with its checksum in the tests of several public P1 readers. */
const KAIFA = Buffer.from(
  [
    '/KFM5KAIFA-METER',
    '',
    '1-3:0.2.8(40)',
    '0-0:1.0.0(150117185916W)',
    '0-0:96.1.1(0000000000000000000000000000000000)',
    '1-0:1.8.1(000671.578*kWh)',
    '1-0:1.8.2(000842.472*kWh)',
    '1-0:2.8.1(000000.000*kWh)',
    '1-0:2.8.2(000000.000*kWh)',
    '0-0:96.14.0(0001)',
    '1-0:1.7.0(00.333*kW)',
    '1-0:2.7.0(00.000*kW)',
    '0-0:17.0.0(999.9*kW)',
    '0-0:96.3.10(1)',
    '0-0:96.7.21(00008)',
    '0-0:96.7.9(00007)',
    '1-0:99.97.0(1)(0-0:96.7.19)(000101000001W)(2147483647*s)',
    '1-0:32.32.0(00000)',
    '1-0:32.36.0(00000)',
    '0-0:96.13.1()',
    '0-0:96.13.0()',
    '1-0:31.7.0(001*A)',
    '1-0:21.7.0(00.332*kW)',
    '1-0:22.7.0(00.000*kW)',
    '0-1:24.1.0(003)',
    '0-1:96.1.0(0000000000000000000000000000000000)',
    '0-1:24.2.1(150117180000W)(00473.789*m3)',
    '0-1:24.4.0(1)',
    '!6F4A',
    '',
  ].join('\r\n'),
)

/** DSMR 2.2 companion standard P1, the example of an implementation: no checksum, the gas meter's value on a line of its own. */
const DSMR_2 = Buffer.from(
  [
    '/ISk5\\2MT382-1000',
    '',
    '0-0:96.1.1(4B384547303034303436333935353037)',
    '1-0:1.8.1(12345.678*kWh)',
    '1-0:1.7.0(001.19*kW)',
    '0-0:17.0.0(016*A)',
    '0-1:24.1.0(03)',
    '0-1:24.3.0(090212160000)(00)(60)(1)(0-1:24.2.1)(m3)',
    '(00042.500)',
    '!',
    '',
  ].join('\r\n'),
)

/** A readout of mode C as IEC 62056-21 lays it out, with its block check character. */
function modeC(): Buffer {
  const block = Buffer.from('0.0.0(12345678)\r\n1.8.0(001234.56*kWh)\r\n32.7(230.1*V)\r\n!\r\n\u0003')
  const check = block.reduce((sum, byte) => sum ^ byte, 0)
  return Buffer.concat([Buffer.from('/LGZ5ZMD3104\r\n\u0002'), block, Buffer.from([check])])
}

function decoded(telegram: Buffer) {
  const result = decodeTelegram(telegram, 0, telegram.length)
  return 'value' in result ? JSON.parse(result.value.toString('utf8')) : result
}

/** What a framer makes of chunks, and what it counts. */
function framed(chunks: readonly Buffer[], telegram: 'dsmr' | 'iec62056' = 'dsmr') {
  const frames: Buffer[] = []
  const troubles: string[] = []
  const framer = createFramer(frameOptions.parse({ telegram }), {
    onFrame: (bytes, from, to) => frames.push(Buffer.from(bytes.subarray(from, to))),
    onTrouble: what => troubles.push(what),
    clock: systemClock,
  })
  for (const chunk of chunks) framer.push(chunk, 0)
  return { frames, troubles, framer }
}

describe('decoding', () => {
  test('a telegram of DSMR 4: names, units, and the time with its offset', () => {
    expect(decoded(KAIFA)).toMatchObject({
      meter: 'KFM5KAIFA-METER',
      version: '40',
      time: '2015-01-17T18:59:16+01:00',
      import_tariff_1_kwh: 671.578,
      import_tariff_2_kwh: 842.472,
      tariff: 1,
      import_power_kw: 0.333,
      threshold_kw: 999.9,
      l1_current_a: 1,
      l1_import_power_kw: 0.332,
      message: null,
      mbus_1_type: '003',
      mbus_1_reading_m3: 473.789,
      mbus_1_reading_time: '2015-01-17T18:00:00+01:00',
      mbus_1_valve: 1,
      '1-0:99.97.0': ['1', '0-0:96.7.19', '000101000001W', { value: 2147483647, unit: 's' }],
    })
  })

  test('a telegram of DSMR 2, which has no checksum', () => {
    expect(decoded(DSMR_2)).toEqual({
      meter: 'ISk5\\2MT382-1000',
      equipment_id: 'K8EG004046395507',
      import_tariff_1_kwh: 12345.678,
      import_power_kw: 1.19,
      threshold_a: 16,
      mbus_1_type: '03',
      mbus_1_reading_m3: 42.5,
      mbus_1_reading_time: '090212160000',
    })
  })

  test('a readout of mode C, with its block check', () => {
    expect(decoded(modeC())).toEqual({
      meter: 'LGZ5ZMD3104',
      '0.0.0': '12345678',
      import_kwh: 1234.56,
      '32.7': { value: 230.1, unit: 'V' },
    })
  })

  test('summer and winter time differ by an hour', () => {
    const at = (stamp: string) => Date.parse(decoded(Buffer.from(`/X5\r\n0-0:1.0.0(${stamp})\r\n!\r\n`)).time)
    expect(at('260701120000S')).toBe(Date.UTC(2026, 6, 1, 10))
    expect(at('261201120000W')).toBe(Date.UTC(2026, 11, 1, 11))
  })

  test('any one bit that is wrong is noticed by the checksum', () => {
    const random = new SeededRandom(seedOfRun('one wrong bit'))
    for (let round = 0; round < 500; round++) {
      const spoilt = Buffer.from(KAIFA)
      const at = random.between(0, KAIFA.length - 7)
      spoilt[at] = (spoilt[at] ?? 0) ^ (1 << random.between(0, 8))
      expect(decoded(spoilt)).toHaveProperty('error')
    }
    expect(decoded(Buffer.from(KAIFA.toString('latin1').replace('!6F4A', '!6F4B'), 'latin1'))).toEqual({
      error: 'checksum 6F4B, computed 6F4A',
    })
  })

  test('a wrong block check is said', () => {
    const spoilt = modeC()
    spoilt[20] = (spoilt[20] ?? 0) ^ 4
    expect(decoded(spoilt)).toEqual({ error: expect.stringMatching(/^block check/) })
  })

  test.each(['', '/', '!', 'x', '/X\r\n', '/X\r\nno value\r\n!\r\n', '/X\r\n1.8.0(1\r\n!\r\n', '/X\r\n1(2)!\r\n'])(
    '%j is no telegram',
    text => {
      expect(decoded(Buffer.from(text))).toHaveProperty('error')
    },
  )
})

describe('framing', () => {
  test('a telegram split at every byte is the same', () => {
    for (let at = 0; at <= KAIFA.length; at++) {
      const { frames, troubles } = framed([KAIFA.subarray(0, at), KAIFA.subarray(at)])
      expect(frames).toEqual([KAIFA])
      expect(troubles).toEqual([])
    }
  })

  test('byte by byte, mode C', () => {
    const telegram = modeC()
    const { frames, troubles } = framed(
      [...telegram, ...telegram].map(byte => Buffer.from([byte])),
      'iec62056',
    )
    expect(frames).toEqual([telegram, telegram])
    expect(troubles).toEqual([])
  })

  test('a telegram that lost its end is counted, and the next one read', () => {
    const { frames, troubles } = framed([KAIFA.subarray(0, 400), Buffer.from('\n'), KAIFA])
    expect(frames).toEqual([KAIFA])
    expect(troubles).toEqual(['a telegram broke off'])
  })

  test('noise before and between telegrams is counted, and costs no telegram', () => {
    const { frames, troubles } = framed([Buffer.from('\u00ff56)\r\n1-0:2'), KAIFA, Buffer.from('???'), KAIFA])
    expect(frames).toEqual([KAIFA, KAIFA])
    expect(troubles).toEqual(['noise between telegrams', 'noise between telegrams'])
  })

  test('a telegram without an end is given up at max_bytes', () => {
    const endless = Buffer.concat([Buffer.from('/X\r\n'), Buffer.alloc(50_000, 'a')])
    const { frames, troubles } = framed([endless, Buffer.from('\n'), KAIFA])
    expect(frames).toEqual([KAIFA])
    expect(troubles).toEqual(['a record was too long', 'noise between telegrams'])
  })

  test('an interrupted line joins no halves', () => {
    const { frames, troubles, framer } = framed([KAIFA.subarray(0, 300)])
    framer.interrupted()
    framer.push(KAIFA.subarray(300), 0)
    framer.push(KAIFA, 0)
    expect(frames).toEqual([KAIFA])
    expect(troubles).toContain('a telegram broke off')
  })

  test('a megabyte of noise makes no crash, and what frames it makes are no telegrams', () => {
    const random = new SeededRandom(seedOfRun('noise for telegrams'))
    const letters = Buffer.from('/!\r\n()*.:-0123456789\u0002\u0003AZ')
    const noise = Buffer.from(Array.from({ length: 1_000_000 }, () => letters[random.between(0, letters.length)] ?? 0))
    const { frames } = framed([noise, Buffer.from('\n'), KAIFA], 'iec62056')
    for (const frame of frames) expect(frame.length).toBeLessThanOrEqual(4_096)
    for (const frame of frames.slice(0, 2_000)) decodeTelegram(frame, 0, frame.length)
    expect(frames.at(-1)?.includes(KAIFA)).toBe(true)
  })
})
