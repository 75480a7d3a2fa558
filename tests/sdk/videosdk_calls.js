// Calls VideoSDK's SDK for servers, one call for each line of JSON on standard input, and says what it gave.
//
// node videosdk_calls.js NODE_MODULES URL API_KEY SECRET [TOKEN]
//
// With a token, that is what it calls with. `mint` makes a token as the SDK does, `sign` one as the vendor's guides
// do, with two libraries of others; any other name is a method, and a list is read to its end.
const [modules, url, apiKey, secret, token] = process.argv.slice(2);
const {VideoSDK, isVideoSDKError} = require(`${modules}/@videosdk.live/server-sdk`);
const sdk = new VideoSDK({apiKey, secret, token, apiEndpoint: url, maxRetries: 0});
const tell = told => console.log(JSON.stringify(told));

function mint({participant, room, grants = [], api = false}) {
    const builder = sdk.accessToken().grant(...grants).expiresIn("15m");
    if (participant) builder.setParticipant(participant);
    if (room) builder.forRoom(room);
    return (api ? builder.forApi() : builder).toJwt();
}

function sign(claims) {
    const {v4} = require(`${modules}/uuid`);
    const options = {algorithm: "HS256", expiresIn: "24h", jwtid: v4()};
    return require(`${modules}/jsonwebtoken`).sign({apikey: apiKey, ...claims}, secret, options);
}

async function call(name, given) {
    if (name === "mint") return mint(...given);
    if (name === "sign") return sign(...given);
    const [resource, method] = name.split(".");
    const result = await sdk[resource][method](...given);
    if (result?.[Symbol.asyncIterator] === undefined) return result;
    const every = [];
    for await (const each of result) every.push(each);
    return every;
}

require("readline").createInterface({input: process.stdin}).on("line", async line => {
    const [name, ...given] = JSON.parse(line);
    try {
        tell({result: await call(name, given) ?? null});
    } catch (error) {
        const {name, message, code, httpStatus, requestId} = error;
        tell({error: {name, message, code, httpStatus, requestId, own: isVideoSDKError(error)}});
    }
});
