/** Who leads every partition of {@link ONE_LEADER}. */
export const LEADER = { node: 1, address: '127.0.0.1:9092', epoch: 0 }

/** What a cluster says of itself in which nothing ever moves. */
export const ONE_LEADER = {
  leader: () => LEADER,
  generation: () => 1,
  forgetLeader: () => {},
  refresh: async () => {},
  onProofsVoid: () => () => {},
}
