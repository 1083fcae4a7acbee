import { expect, test } from 'vitest'
import { chooseClientId, clientIdOf, formerClientIdOf } from '../../src/source/mqtt-client-id.ts'
import { whyNoConnection } from '../../src/source/mqtt-reasons.ts'

const LONG = 'plant-in-a-town-with-a-long-name-on-the-other-side-of-the-river'
const BOILER = { gateway: 'plant-a-1', source: 'boiler' }

test('a broker knows a source by gateway and name', () => {
  expect(clientIdOf(BOILER)).toBe('headrace-plant-a-1_boiler')
})

test('two sources of a gateway with a long name do not throw each other out: their names were cut to the same', () => {
  const names = ['compressor-1', 'compressor-2', 'c'].map(source => clientIdOf({ gateway: LONG, source }))
  expect(new Set(names).size).toBe(3)
  for (const name of names) expect(name).toMatch(/^headrace-plant-in-[0-9a-z_-]{1,48}$/)
})

test('gateway a, source b-c and gateway a-b, source c do not throw each other out: they had one name', () => {
  const [one, two] = [
    { gateway: 'a', source: 'b-c' },
    { gateway: 'a-b', source: 'c' },
  ]
  expect(formerClientIdOf(one)).toBe(formerClientIdOf(two))
  expect(clientIdOf(one)).not.toBe(clientIdOf(two))
})

test('a source that is new has the new name; one that was read before is looked for under the former one', () => {
  const [id, former] = [clientIdOf(BOILER), formerClientIdOf(BOILER)]
  expect(chooseClientId(BOILER, undefined, false)).toEqual({ id, otherwise: undefined })
  expect(chooseClientId(BOILER, undefined, true)).toEqual({ id: former, otherwise: id })
})

test('what was noted with a record holds from then on; what another kind of source noted is nothing', () => {
  const [id, former] = [clientIdOf(BOILER), formerClientIdOf(BOILER)]
  for (const known of [id, former]) expect(chooseClientId(BOILER, known, true)).toEqual({ id: known, otherwise: undefined })
  expect(chooseClientId(BOILER, '12:256:99:1000', true)).toEqual({ id: former, otherwise: id })
})

test.each([
  [undefined, 'the connection is closed; where it is again and again, another client has the id x'],
  [{ cmd: 'disconnect', reasonCode: 142 }, 'another client came under the id x: give one of both another `client_id`'],
  [{ cmd: 'disconnect', reasonCode: 139 }, 'the broker ended the connection, reason code 139'],
  [
    Object.assign(new Error('Identifier rejected'), { code: 2 }),
    'the broker takes no client of the id x: set another `client_id`',
  ],
  [Object.assign(new Error('Not authorized'), { code: 135 }), 'Not authorized: look at `username` and `password_file`'],
  [Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }), 'connect ECONNREFUSED'],
])('%j is said so that somebody can act', (why, said) => {
  expect(whyNoConnection(why, 'x', undefined, 0)).toContain(said)
})
