// Calls the vendor's SDK for Node, one call for each line of JSON on standard input, and says what it gave.
//
// node calls.js DIRECTORY URL APPLICATION_TOKEN PRIVATE_KEY ENCRYPTION_KEY
const [directory, url, ...credentials] = process.argv.slice(2);
const Ziggeo = require(directory);
const ziggeo = new Ziggeo(...credentials);
ziggeo.Connect.baseUri = ziggeo.CdnConnect.baseUri = url;

const {Auth, Authtokens, Videos} = ziggeo;
const calls = {
    create: Authtokens.create.bind(Authtokens),
    get: Authtokens.get.bind(Authtokens),
    update: Authtokens.update.bind(Authtokens),
    delete: Authtokens.destroy.bind(Authtokens),
    video: Videos.get.bind(Videos),
};
const tell = told => console.log(JSON.stringify(told));

require("readline").createInterface({input: process.stdin}).on("line", line => {
    const [name, ...given] = JSON.parse(line);
    if (name === "generate") {
        tell({result: Auth.generate(...given)});
        return;
    }
    // The callbacks stand last, behind data that may be undefined.
    calls[name](...(name === "create" && given.length === 0 ? [undefined] : given), {
        success: result => tell({result}),
        failure: error => tell({status: error.status_code(), body: error.data()}),
    });
});
