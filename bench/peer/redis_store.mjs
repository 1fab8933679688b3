// What oidc-provider keeps, in Redis: the `adapter` of its configuration, for one kind of artifact each.
//
// An artifact is one key with an expiry. Those that are used once are a hash, so that "used" can be noted beside the content without
// reading it; everything else is a string. Each write is one MULTI, that is one round trip.

import { Redis } from 'ioredis';

const redis = new Redis(process.env.PEER_REDIS);

const USED_ONCE = new Set(['AuthorizationCode', 'RefreshToken', 'DeviceCode', 'BackchannelAuthenticationRequest']);
const OF_A_GRANT = new Set([...USED_ONCE, 'AccessToken']);

const seconds = () => Math.floor(Date.now() / 1000);
const membersOf = (grantId) => `members:${grantId}`;
const byUid = (uid) => `uid:${uid}`;
const byUserCode = (code) => `code:${code}`;

export class RedisStore {
  #kind;
  #isUsedOnce;

  constructor(kind) {
    this.#kind = kind;
    this.#isUsedOnce = USED_ONCE.has(kind);
  }

  #key(id) {
    return `${this.#kind}/${id}`;
  }

  async upsert(id, content, lifetime) {
    const key = this.#key(id);
    const text = JSON.stringify(content);
    const trip = redis.multi();
    if (this.#isUsedOnce) {
      trip.hset(key, 'content', text);
      if (lifetime) trip.expire(key, lifetime);
    } else if (lifetime) {
      trip.set(key, text, 'EX', lifetime);
    } else {
      trip.set(key, text);
    }
    if (content.grantId && OF_A_GRANT.has(this.#kind)) {
      const members = membersOf(content.grantId);
      trip.sadd(members, key);
      if (lifetime) trip.expire(members, lifetime, 'NX').expire(members, lifetime, 'GT'); // as long as its longest member
    }
    for (const other of [content.uid && byUid(content.uid), content.userCode && byUserCode(content.userCode)]) {
      if (other && lifetime) trip.set(other, id, 'EX', lifetime);
    }
    await trip.exec();
  }

  async find(id) {
    if (!this.#isUsedOnce) {
      const text = await redis.get(this.#key(id));
      return text === null ? undefined : JSON.parse(text);
    }
    const [text, consumed] = await redis.hmget(this.#key(id), 'content', 'consumed');
    if (text === null) return undefined;
    const content = JSON.parse(text);
    return consumed === null ? content : { ...content, consumed: Number(consumed) };
  }

  async #findBy(other) {
    const id = await redis.get(other);
    return id === null ? undefined : this.find(id);
  }

  findByUid(uid) {
    return this.#findBy(byUid(uid));
  }

  findByUserCode(code) {
    return this.#findBy(byUserCode(code));
  }

  async consume(id) {
    await redis.hset(this.#key(id), 'consumed', seconds());
  }

  async destroy(id) {
    await redis.del(this.#key(id));
  }

  async revokeByGrantId(grantId) {
    const members = membersOf(grantId);
    await redis.del(members, ...(await redis.smembers(members)));
  }
}
